"""The limit's queries on psycopg."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import URL

USER = "SELECT id, created_at, email, full_name FROM users WHERE id = %s"
PAGE = "SELECT id, created_at, email, full_name FROM users WHERE id > %s ORDER BY id LIMIT %s"
ORDERS = """
    SELECT id, created_at, user_id, item, quantity FROM orders WHERE user_id = ANY(%s) ORDER BY id
"""
INSERT = "INSERT INTO users (id, created_at, email, full_name) VALUES (%s, %s, %s, %s)"

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]


class Store:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def user(self, user_id: UUID) -> Any:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(USER, (user_id,), prepare=True, binary=True)
            return await cursor.fetchone()

    async def users(self, after: UUID, limit: int) -> Any:
        async with self._pool.connection() as connection:
            return await fetch(connection, PAGE, after, limit + 1)

    async def users_with_orders(self, after: UUID, limit: int) -> Any:
        async with self._pool.connection() as connection:
            users = await fetch(connection, PAGE, after, limit + 1)
            ids = [user["id"] for user in users[:limit]]
            return users, await fetch(connection, ORDERS, ids)

    async def insert(self, user: dict[str, Any]) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(INSERT, tuple(user.values()), prepare=True)


async def fetch(connection: AsyncConnection[DictRow], query: str, *values: Any) -> list[DictRow]:
    cursor = await connection.execute(query, values, prepare=True, binary=True)
    return await cursor.fetchall()


@asynccontextmanager
async def open_store(url: URL, size: int) -> AsyncIterator[Store]:
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = {"autocommit": True, "row_factory": dict_row, "options": "-c timezone=UTC"}
    pool = AsyncConnectionPool(conninfo, min_size=size, max_size=size, kwargs=options, open=False)
    async with pool:
        await pool.wait()
        yield Store(pool)
