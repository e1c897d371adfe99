"""The busiest routes of ``endpoints.py`` once more, as fast paths.

Without this file, and its lines in ``main.py``, the service answers the same, more slowly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Generic, Literal, TypeVar
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from ..database.engine import Database
from ..fast.routing import FastPaths
from ..fast.statements import Nested, NewRow, Query, Rows
from ..web.pagination import Cursor, Limit
from .models import User
from .repository import PAGE
from .schemas import UserCreate
from .service import UserNotFound, conflict_of

R = TypeVar("R")

fast_users = FastPaths(prefix="/users")


@dataclass
class UserRow:
    id: UUID
    email: str
    full_name: str
    created_at: datetime


@dataclass
class OrderRow:
    id: UUID
    user_id: UUID
    item: str
    quantity: int
    created_at: datetime


@dataclass
class UserWithOrdersRow(UserRow):
    orders: list[OrderRow]


@dataclass
class UserPage(Generic[R]):
    items: list[R]
    next_cursor: str | None


_USERS = select(User.id, User.email, User.full_name, User.created_at)
_FIRST = _USERS.order_by(User.id).limit(bindparam("rows"))
_NEXT = _FIRST.where(User.id > bindparam("after"))

USER = Query(UserRow, _USERS.where(User.id == bindparam("id")))
FIRST_PAGE = Query(UserRow, _FIRST)
NEXT_PAGE = Query(UserRow, _NEXT)
NEW_USER = NewRow(UserRow, User)


@cache
def pages_with_orders() -> Sequence[Nested[UserWithOrdersRow]]:
    # Not constants: the relationship can be followed only when all models are imported.
    statements = (_FIRST, _NEXT)
    return [Nested(UserWithOrdersRow, each, User.orders, OrderRow) for each in statements]


# An id that is none goes the ordinary way, and so does `/users/export`.
@fast_users.get("/{user_id:uuid}")
async def get_user(database: Database, user_id: UUID) -> UserRow:
    user = await USER.first(database, id=user_id)
    if user is None:
        raise UserNotFound
    return user


@fast_users.get("")
async def list_users(
    database: Database,
    limit: Limit = 20,
    cursor: Cursor = None,
    include: None = None,  # noqa: ARG001 - with a value, it is the next one
) -> UserPage[UserRow]:
    return await _page(database, FIRST_PAGE, NEXT_PAGE, limit=limit, cursor=cursor)


@fast_users.get("")
async def list_users_with_orders(
    database: Database,
    include: Literal["orders"],  # noqa: ARG001 - without it, it is the one before
    limit: Limit = 20,
    cursor: Cursor = None,
) -> UserPage[UserWithOrdersRow]:
    first, following = pages_with_orders()
    return await _page(database, first, following, limit=limit, cursor=cursor)


@fast_users.post("", location=lambda user: f"/users/{user.id}")
async def create_user(database: Database, data: UserCreate) -> UserRow:
    try:
        return await NEW_USER.add(database, vars(data))
    except IntegrityError as error:
        raise conflict_of(error) from error


async def _page(
    database: Database, first: Rows[R], following: Rows[R], *, limit: int, cursor: str | None
) -> UserPage[R]:
    if cursor is None:
        rows = await first.all(database, rows=limit + 1)
    else:
        (after,) = PAGE.decode(cursor)
        rows = await following.all(database, rows=limit + 1, after=after)
    page = PAGE.cut(rows, limit=limit)
    return UserPage([*page.items], page.next_cursor)
