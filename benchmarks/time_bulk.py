"""Time inserts of many users, in a service's environment: ``python time_bulk.py PACKAGE ROUNDS``.

All users of the database are deleted.
"""

import os
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib import import_module
from statistics import median
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import orjson
import uvloop
from sqlalchemy import make_url
from uuid_utils.compat import uuid7

ROWS = 10_000
COLUMNS = ("id", "created_at", "email", "full_name")
ONE = "INSERT INTO users (id, created_at, email, full_name) VALUES ($1, $2, $3, $4)"
ALL = """
    INSERT INTO users (id, created_at, email, full_name)
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[])
"""

USERS = [
    {"email": f"user{number}@example.com", "full_name": f"User {number}"} for number in range(ROWS)
]
BODY = orjson.dumps({"users": USERS})

Way = Callable[[], Awaitable[object]]


def records() -> list[tuple[Any, ...]]:
    """Give the users ids and times, as the service does with each of its own."""
    return [(uuid7(), datetime.now(UTC), user["email"], user["full_name"]) for user in USERS]


def driver_ways(connection: asyncpg.Connection) -> dict[str, Way]:
    """Return what the driver offers."""

    async def unnest() -> None:
        await connection.execute(ALL, *map(list, zip(*records(), strict=True)))

    return {
        "COPY": lambda: connection.copy_records_to_table(
            "users", records=records(), columns=COLUMNS
        ),
        "INSERT of unnest": unnest,
        # All or none: it is one transaction by itself.
        "executemany": lambda: connection.executemany(ONE, records()),
    }


def service_ways(package: str, database: Any, app: Any, state: Any) -> dict[str, Way]:
    """Return what the service does."""
    repository: Any = import_module(f"{package}.users.repository")

    async def add_many() -> None:
        async with database.write() as session:
            await repository.UserRepository(session).add_many(USERS)

    return {"add_many": add_many, "POST /users/bulk": lambda: post(app, dict(state))}


async def post(app: Any, state: dict[str, Any]) -> None:
    """Send the application a bulk request, without a server between."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/users/bulk",
        "raw_path": b"/users/bulk",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "http_version": "1.1",
        "scheme": "http",
        "state": state,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 201) != 201:
            sys.exit(f"the bulk request is answered {message['status']}")

    await app(scope, receive, send)


async def main(package: str, rounds: int) -> None:
    url = make_url(os.environ["DATABASE_URL"])
    connection = await asyncpg.connect(
        host=url.host or url.query.get("host"),
        port=url.port,
        user=url.username,
        password=url.password,
        database=url.database,
    )
    engine: Any = import_module(f"{package}.database.engine")
    settings: Any = import_module(f"{package}.settings")
    app: Any = import_module(f"{package}.main").create_app(settings.load_settings())
    async with (
        engine.Database.open(settings.load_settings()) as database,
        app.router.lifespan_context(app) as state,
    ):
        ways = driver_ways(connection) | service_ways(package, database, app, state)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, way in ways.items():
                seconds = await timed(connection, way)
                # The first round warms up.
                if number:
                    times[name].append(seconds)
    await connection.close()
    print(f"{ROWS} rows{'ms':>18}{'of COPY':>10}")
    for name, own in times.items():
        ratio = median(a / b for a, b in zip(own, times["COPY"], strict=True))
        print(f"{name:<18}{median(own) * 1000:>10.0f}{ratio:>10.2f}")


async def timed(connection: asyncpg.Connection, way: Way) -> float:
    """Run a way on an empty table and return the seconds that it took."""
    await connection.execute("TRUNCATE users, orders")
    start = time.perf_counter()
    await way()
    seconds = time.perf_counter() - start
    if await connection.fetchval("SELECT count(*) FROM users") != ROWS:
        sys.exit("some rows are missing")
    return seconds


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
