"""The limit's queries on asyncmy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncmy
from asyncmy.cursors import DictCursor
from sqlalchemy import URL

USER = "SELECT id, created_at, email, full_name FROM users WHERE id = %s"
PAGE = "SELECT id, created_at, email, full_name FROM users WHERE id > %s ORDER BY id LIMIT %s"
ORDERS = """
    SELECT id, created_at, user_id, item, quantity FROM orders WHERE user_id IN %s ORDER BY id
"""
INSERT = "INSERT INTO users (id, created_at, email, full_name) VALUES (%s, %s, %s, %s)"

Row = dict[str, Any]


class Store:
    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def user(self, user_id: UUID) -> Row:
        return (await self._fetch(USER, user_id.hex))[0]

    async def users(self, after: UUID, limit: int) -> list[Row]:
        return await self._fetch(PAGE, after.hex, limit + 1)

    async def users_with_orders(self, after: UUID, limit: int) -> tuple[list[Row], list[Row]]:
        async with self._pool.acquire() as connection:
            users = await fetch(connection, PAGE, after.hex, limit + 1)
            ids = [user["id"].replace("-", "") for user in users[:limit]]
            return users, await fetch(connection, ORDERS, ids)

    async def insert(self, user: Row) -> None:
        await self._fetch(INSERT, user["id"].hex, *list(user.values())[1:])

    async def _fetch(self, query: str, *values: Any) -> list[Row]:
        async with self._pool.acquire() as connection:
            return await fetch(connection, query, *values)


async def fetch(connection: Any, query: str, *values: Any) -> list[Row]:
    async with connection.cursor(DictCursor) as cursor:
        await cursor.execute(query, values)
        return [with_dashes(row) for row in await cursor.fetchall()]


def with_dashes(row: Row) -> Row:
    """Make the hexadecimal digits that are stored ids again."""
    return row | {name: str(UUID(row[name])) for name in ("id", "user_id") if name in row}


@asynccontextmanager
async def open_store(url: URL, size: int) -> AsyncIterator[Store]:
    where = {"unix_socket": url.query["unix_socket"]} if "unix_socket" in url.query else {}
    pool = await asyncmy.create_pool(
        minsize=size,
        maxsize=size,
        autocommit=True,
        host=url.host,
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        db=url.database,
        charset="utf8mb4",
        **where,
    )
    try:
        yield Store(pool)
    finally:
        pool.close()
        await pool.wait_closed()
