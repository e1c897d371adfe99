"""The limit: a bare ASGI application on the driver and orjson, without what a service needs.

No validation, no errors, no log, no ids of requests. It serves what the benchmark asks, with the
same bodies as the service, and shows what the server, the driver and the database cost by
themselves. The driver is the one of DATABASE_URL; each has a module ``raw_*.py`` with its ``open``.
"""

import os
from base64 import urlsafe_b64encode
from collections import defaultdict
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from hashlib import blake2s
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import parse_qs
from uuid import UUID

import orjson
from sqlalchemy import make_url
from uuid_utils.compat import uuid7

URL = make_url(os.environ["DATABASE_URL"])
POOL_SIZE = int(os.environ["DATABASE_POOL_SIZE"])

START = UUID(int=0)
HEADERS = [(b"content-type", b"application/json")]

Row = dict[str, Any]


class Store(Protocol):
    """What a driver does for the routes."""

    async def user(self, user_id: UUID) -> Row: ...

    async def users(self, after: UUID, limit: int) -> list[Row]: ...

    async def users_with_orders(self, after: UUID, limit: int) -> tuple[list[Row], list[Row]]:
        """Return one user more than the limit, and the orders of all but that one."""
        ...

    async def insert(self, user: Row) -> None: ...


def open_store() -> AbstractAsyncContextManager[Store]:
    driver = URL.get_driver_name()
    store: AbstractAsyncContextManager[Store]
    store = import_module(f"raw_{driver}").open_store(URL, POOL_SIZE)
    return store


def encode(value: object) -> bytes:
    return orjson.dumps(value, default=plain, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)


def plain(value: Any) -> Any:
    # A driver may have rows and ids of its own types.
    return str(value) if isinstance(value, UUID) else dict(value)


async def create_user(store: Store, body: bytes) -> bytes:
    data = orjson.loads(body)
    user = {
        "id": uuid7(),
        "created_at": datetime.now(UTC),
        "email": data["email"],
        "full_name": data["full_name"],
    }
    await store.insert(user)
    return encode(user)


async def list_users(store: Store, query: bytes) -> bytes:
    parameters = parse_qs(query.decode())
    limit = int(parameters["limit"][0])
    if "include" in parameters:
        users, rows = await store.users_with_orders(START, limit)
        orders = defaultdict(list)
        for order in rows:
            orders[order["user_id"]].append(order)
        items = [{**user, "orders": orders[user["id"]]} for user in users[:limit]]
    else:
        items = (await store.users(START, limit))[:limit]
    return encode({"items": items, "next_cursor": cursor(items[-1]["id"])})


def cursor(position: UUID | str) -> str:
    identity = position if isinstance(position, UUID) else UUID(position)
    check = blake2s(b"users" + identity.bytes, digest_size=8).digest()
    return urlsafe_b64encode(identity.bytes + check).decode()


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
        async with open_store() as scope["state"]["store"]:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    store, path = scope["state"]["store"], scope["path"]
    status = 200
    if scope["method"] == "POST":
        body, status = await create_user(store, await read_body(receive)), 201
    elif path == "/users":
        body = await list_users(store, scope["query_string"])
    else:
        body = encode(await store.user(UUID(path.removeprefix("/users/"))))
    await send({"type": "http.response.start", "status": status, "headers": HEADERS})
    await send({"type": "http.response.body", "body": body})
