"""FastAPI on asyncpg alone: no ORM, no middleware, and all else as FastAPI's documentation has it.

It has what a service must not do without (parameters and bodies that are validated, responses by
a model, a 404, a 409, pages), and SQL in strings. What it takes more than the limit is FastAPI;
what a service takes more than this is the service.
"""

import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import asyncpg  # type: ignore[import-untyped]
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from pydantic import BaseModel, Field
from raw_asyncpg import create_pool
from sqlalchemy import make_url
from uuid_utils.compat import uuid7

FIRST = UUID(int=0)

USER = "SELECT id, email, full_name, created_at FROM users WHERE id = $1"
PAGE = "SELECT id, email, full_name, created_at FROM users WHERE id > $1 ORDER BY id LIMIT $2"
ORDERS = """
    SELECT id, user_id, item, quantity, created_at FROM orders WHERE user_id = ANY($1) ORDER BY id
"""
INSERT = """
    INSERT INTO users (id, email, full_name, created_at) VALUES ($1, $2, $3, $4)
    RETURNING id, email, full_name, created_at
"""


class UserCreate(BaseModel):
    email: Annotated[str, Field(max_length=320, pattern="^[^@]+@[^@]+$")]
    full_name: Annotated[str, Field(min_length=1, max_length=200)]


class UserRead(BaseModel):
    id: UUID
    email: str
    full_name: str
    created_at: datetime


class OrderRead(BaseModel):
    id: UUID
    user_id: UUID
    item: str
    quantity: int
    created_at: datetime


class UserWithOrders(UserRead):
    orders: list[OrderRead]


class Users(BaseModel):
    items: list[UserRead]
    next_cursor: UUID | None


class UsersWithOrders(BaseModel):
    items: list[UserWithOrders]
    next_cursor: UUID | None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, asyncpg.Pool]]:
    url = make_url(os.environ["DATABASE_URL"])
    async with create_pool(url, int(os.environ["DATABASE_POOL_SIZE"])) as pool:
        yield {"pool": pool}


async def get_pool(request: Request) -> asyncpg.Pool:
    return request.state.pool


Pool = Annotated[asyncpg.Pool, Depends(get_pool)]
app = FastAPI(lifespan=lifespan)


@app.post("/users", status_code=201)
async def create_user(data: UserCreate, pool: Pool) -> UserRead:
    try:
        row = await pool.fetchrow(INSERT, uuid7(), data.email, data.full_name, datetime.now(UTC))
    except asyncpg.UniqueViolationError as error:
        raise HTTPException(409, "The email address is taken") from error
    return UserRead(**row)


@app.get("/users")
async def list_users(
    pool: Pool,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: UUID = FIRST,
    include: Literal["orders"] | None = None,
) -> Users | UsersWithOrders:
    async with pool.acquire() as connection:
        rows = await connection.fetch(PAGE, cursor, limit + 1)
        next_cursor = rows[limit - 1]["id"] if len(rows) > limit else None
        rows = rows[:limit]
        if not include:
            return Users(items=[UserRead(**row) for row in rows], next_cursor=next_cursor)
        found = await connection.fetch(ORDERS, [row["id"] for row in rows])
    orders = defaultdict(list)
    for order in found:
        orders[order["user_id"]].append(OrderRead(**order))
    items = [UserWithOrders(**row, orders=orders[row["id"]]) for row in rows]
    return UsersWithOrders(items=items, next_cursor=next_cursor)


@app.get("/users/{user_id}")
async def get_user(user_id: UUID, pool: Pool) -> UserRead:
    row = await pool.fetchrow(USER, user_id)
    if not row:
        raise HTTPException(404, "There is no such user")
    return UserRead(**row)
