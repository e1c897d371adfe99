"""The limit's queries on asyncpg, with its pool as it comes: it resets what is given back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL

USER = "SELECT id, created_at, email, full_name FROM users WHERE id = $1"
PAGE = "SELECT id, created_at, email, full_name FROM users WHERE id > $1 ORDER BY id LIMIT $2"
ORDERS = """
    SELECT id, created_at, user_id, item, quantity FROM orders WHERE user_id = ANY($1) ORDER BY id
"""
INSERT = "INSERT INTO users (id, created_at, email, full_name) VALUES ($1, $2, $3, $4)"


class Store:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def user(self, user_id: UUID) -> Any:
        return await self._pool.fetchrow(USER, user_id)

    async def users(self, after: UUID, limit: int) -> Any:
        return await self._pool.fetch(PAGE, after, limit + 1)

    async def users_with_orders(self, after: UUID, limit: int) -> Any:
        async with self._pool.acquire() as connection:
            users = await connection.fetch(PAGE, after, limit + 1)
            return users, await connection.fetch(ORDERS, [user["id"] for user in users[:limit]])

    async def insert(self, user: dict[str, Any]) -> None:
        await self._pool.execute(INSERT, *user.values())


def create_pool(url: URL, size: int) -> asyncpg.Pool:
    return asyncpg.create_pool(
        host=url.host or url.query.get("host"),
        port=url.port,
        user=url.username,
        password=url.password,
        database=url.database,
        min_size=size,
        max_size=size,
    )


@asynccontextmanager
async def open_store(url: URL, size: int) -> AsyncIterator[Store]:
    async with create_pool(url, size) as pool:
        yield Store(pool)
