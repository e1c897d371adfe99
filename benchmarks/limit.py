"""The limit: a bare ASGI application on asyncpg and orjson, without what a service needs.

No validation, no errors, no log, no ids of requests. It serves what the benchmark asks, with the
same bodies as the service, and shows what the server, the driver and the database cost by
themselves.
"""

import os
from base64 import urlsafe_b64encode
from collections import defaultdict
from hashlib import blake2s
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import asyncpg  # type: ignore[import-untyped]
import orjson
from sqlalchemy import make_url
from uuid_utils.compat import uuid7

URL = make_url(os.environ["DATABASE_URL"])
POOL_SIZE = int(os.environ["DATABASE_POOL_SIZE"])

USER = "SELECT id, created_at, email, full_name FROM users WHERE id = $1"
PAGE = "SELECT id, created_at, email, full_name FROM users WHERE id > $1 ORDER BY id LIMIT $2"
ORDERS = """
    SELECT id, created_at, user_id, item, quantity FROM orders WHERE user_id = ANY($1) ORDER BY id
"""
INSERT = """
    INSERT INTO users (id, created_at, email, full_name) VALUES ($1, now(), $2, $3)
    RETURNING id, created_at, email, full_name
"""
START = UUID(int=0)
HEADERS = [(b"content-type", b"application/json")]


def encode(value: object) -> bytes:
    return orjson.dumps(value, default=plain, option=orjson.OPT_UTC_Z)


def plain(value: Any) -> Any:
    # The driver has rows and ids of its own types.
    return str(value) if isinstance(value, UUID) else dict(value)


async def get_user(pool: asyncpg.Pool, user_id: str) -> bytes:
    return encode(await pool.fetchrow(USER, UUID(user_id)))


async def create_user(pool: asyncpg.Pool, body: bytes) -> bytes:
    data = orjson.loads(body)
    return encode(await pool.fetchrow(INSERT, uuid7(), data["email"], data["full_name"]))


async def list_users(pool: asyncpg.Pool, query: bytes) -> bytes:
    parameters = parse_qs(query.decode())
    limit = int(parameters["limit"][0])
    async with pool.acquire() as connection:
        rows = await connection.fetch(PAGE, START, limit + 1)
        users: list[Any] = rows[:limit]
        if "include" in parameters:
            orders = defaultdict(list)
            for order in await connection.fetch(ORDERS, [user["id"] for user in users]):
                orders[order["user_id"]].append(order)
            users = [{**user, "orders": orders[user["id"]]} for user in users]
    return encode({"items": users, "next_cursor": cursor(users[-1]["id"])})


def cursor(position: UUID) -> str:
    check = blake2s(b"users" + position.bytes, digest_size=8).digest()
    return urlsafe_b64encode(position.bytes + check).decode()


async def keep(_connection: asyncpg.Connection) -> None:
    """Leave a connection as it is: to reset it would be a round trip more for each request."""


async def read_body(receive: Any) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["pool"] = await asyncpg.create_pool(
            host=URL.host or URL.query.get("host"),
            port=URL.port,
            user=URL.username,
            password=URL.password,
            database=URL.database,
            min_size=POOL_SIZE,
            max_size=POOL_SIZE,
            reset=keep,
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await scope["state"]["pool"].close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    pool, path = scope["state"]["pool"], scope["path"]
    status = 200
    if scope["method"] == "POST":
        body, status = await create_user(pool, await read_body(receive)), 201
    elif path == "/users":
        body = await list_users(pool, scope["query_string"])
    else:
        body = await get_user(pool, path.removeprefix("/users/"))
    await send({"type": "http.response.start", "status": status, "headers": HEADERS})
    await send({"type": "http.response.body", "body": body})
