"""The limit's queries on aiosqlite: some connections to read with, and one that writes."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import aiosqlite
from sqlalchemy import URL

USER = "SELECT id, created_at, email, full_name FROM users WHERE id = ?"
PAGE = "SELECT id, created_at, email, full_name FROM users WHERE id > ? ORDER BY id LIMIT ?"
ORDERS = """
    SELECT id, created_at, user_id, item, quantity FROM orders
    WHERE user_id IN ({}) ORDER BY id
"""
INSERT = "INSERT INTO users (id, created_at, email, full_name) VALUES (?, ?, ?, ?)"

TIME_FORMAT = "%Y-%m-%d %H:%M:%S.%f"
"""Of the times that the service stores."""

PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")

Row = dict[str, Any]
Queue = asyncio.Queue[aiosqlite.Connection]


class Store:
    def __init__(self, readers: Queue, writers: Queue) -> None:
        self._readers = readers
        self._writers = writers

    async def user(self, user_id: UUID) -> Row:
        async with taken(self._readers) as connection:
            return (await fetch(connection, USER, (user_id.hex,)))[0]

    async def users(self, after: UUID, limit: int) -> list[Row]:
        async with taken(self._readers) as connection:
            return await fetch(connection, PAGE, (after.hex, limit + 1))

    async def users_with_orders(self, after: UUID, limit: int) -> tuple[list[Row], list[Row]]:
        async with taken(self._readers) as connection:
            users = await fetch(connection, PAGE, (after.hex, limit + 1))
            ids = [user["id"].replace("-", "") for user in users[:limit]]
            orders = ORDERS.format(", ".join("?" * len(ids)))
            return users, await fetch(connection, orders, ids)

    async def insert(self, user: Row) -> None:
        values = list(user.values())[2:]
        async with taken(self._writers) as connection:
            # One call, and so one way to the connection's thread; it commits by itself.
            await connection.execute_fetchall(
                INSERT, (user["id"].hex, user["created_at"].strftime(TIME_FORMAT), *values)
            )


@asynccontextmanager
async def taken(connections: Queue) -> AsyncIterator[aiosqlite.Connection]:
    connection = await connections.get()
    try:
        yield connection
    finally:
        connections.put_nowait(connection)


async def fetch(connection: aiosqlite.Connection, query: str, values: Iterable[Any]) -> list[Row]:
    return [plain(dict(row)) for row in await connection.execute_fetchall(query, values)]


def plain(row: Row) -> Row:
    """Make ids and a time of what is stored."""
    ids = {name: str(UUID(row[name])) for name in ("id", "user_id") if name in row}
    return row | ids | {"created_at": row["created_at"].replace(" ", "T") + "Z"}


@asynccontextmanager
async def open_store(url: URL, size: int) -> AsyncIterator[Store]:
    readers, writers = Queue(), Queue()
    async with AsyncExitStack() as stack:
        for queue, number in ((readers, size), (writers, 1)):
            for _ in range(number):
                connection = await stack.enter_async_context(
                    aiosqlite.connect(str(url.database), isolation_level=None)
                )
                connection.row_factory = aiosqlite.Row
                for pragma in PRAGMAS:
                    await connection.execute(f"PRAGMA {pragma}")
                queue.put_nowait(connection)
        yield Store(readers, writers)
