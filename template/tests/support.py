"""What several tests need."""

import asyncio
# {% if database_driver == "aiosqlite" %}
import sqlite3
# {% endif %}
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx2
from sqlalchemy import MetaData, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from {{ package_name }}.lifespan import State

from tests.sample import Gizmo

T = TypeVar("T")

GIZMO = {"name": "Orrery", "note": "It shows the planets."}


async def create(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Create a resource and return it."""
    response = await client.post(path, json=body)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def read_pages(client: httpx2.AsyncClient, path: str, *, limit: int) -> list[list[Any]]:
    """Follow the cursors of a listing to its end, and return the items of each page."""
    pages, cursor = [], None
    while True:
        params = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        response = await client.get(path, params=params)
        assert response.status_code == 200, response.text
        page = response.json()
        pages.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return pages


async def create_gizmo(client: httpx2.AsyncClient, **fields: str) -> dict[str, Any]:
    return await create(client, "/gizmos", GIZMO | fields)


async def create_gizmos(client: httpx2.AsyncClient, count: int) -> list[dict[str, Any]]:
    return [await create_gizmo(client, name=f"Gizmo {number}") for number in range(count)]


async def names_of_gizmos(state: State) -> list[str]:
    async with state["database"].read() as session:
        return list(await session.scalars(select(Gizmo.name)))


def assert_problem(response: httpx2.Response, status: int, kind: str) -> dict[str, Any]:
    """Check the form of an error and return its body."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["type"]) == (status, f"urn:problem:{kind}"), body
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["title"]
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def bad_fields(response: httpx2.Response) -> list[str]:
    """Return the names of the fields that a validation problem complains of."""
    body = assert_problem(response, 422, "validation-error")
    return [error["field"] for error in body["errors"]]


def database_error(code: str | int) -> DBAPIError:
    """Make an error as it comes from the database, with its code."""
    # {% if postgresql %}
    error = Exception("the value is hunter2")
    error.sqlstate = code  # type: ignore[attr-defined]  # of a driver
    # {% elif database_driver == "asyncmy" %}
    error = Exception(code, "the value is hunter2")
    # {% else %}
    error = sqlite3.OperationalError("the value is hunter2")
    error.sqlite_errorname = str(code)
    # {% endif %}
    return DBAPIError(None, None, error)


@asynccontextmanager
async def tables(engine: AsyncEngine, metadata: MetaData) -> AsyncIterator[None]:
    """Create the tables, and drop them in the end."""
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    try:
        yield
    finally:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.drop_all)


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[Any]]:
    """Collect the parameters of each statement of an engine."""
    seen: list[Any] = []

    def note(_connection: object, _cursor: object, _sql: str, parameters: Any, *_: object) -> None:
        seen.append(parameters)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


def rows_in(parameters: Any) -> int:
    """Return how many rows a statement inserts that has these parameters."""
    # {% if database_driver == "asyncpg" and fast_paths %}
    return len(parameters[0])
    # {% elif database_driver == "psycopg" and fast_paths %}
    return len(parameters["id"])
    # {% else %}
    return len(parameters) if isinstance(parameters, list) else 1
    # {% endif %}


async def longest_turn(work: Awaitable[T]) -> tuple[T, float]:
    """Return what comes of the work, and the part of it that was done in one turn of the loop.

    Turns of less than a tenth of the longest do not count: in most of them the loop only waits, and
    there are as many as the database takes its time.
    """
    turns: list[float] = []

    async def watch() -> None:
        while True:
            start = time.thread_time()
            # {% if database_driver == "aiosqlite" %}
            # The database has a thread, which gets no turn while this one never rests.
            await asyncio.sleep(0.001)
            # {% else %}
            await asyncio.sleep(0)
            # {% endif %}
            turns.append(time.thread_time() - start)

    watching = asyncio.ensure_future(watch())
    result = await work
    watching.cancel()
    longest = max(turns)
    return result, longest / sum(turn for turn in turns if turn > longest / 10)
