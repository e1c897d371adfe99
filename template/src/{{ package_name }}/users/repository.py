"""The queries on users."""

from sqlalchemy import bindparam, select
from sqlalchemy.orm import selectinload

from ..database.compiled import NewRow, Query
from ..database.repository import AsyncRepository
from ..models import User
from .rows import UserRow

WITH_ORDERS = (selectinload(User.orders),)
"""Loads the orders of all users of a page with one more statement."""


class UserRepository(AsyncRepository[User]):
    model = User


_ROWS = select(User.id, User.email, User.full_name, User.created_at)

USER = Query(UserRow, _ROWS.where(User.id == bindparam("id")))

PAGE = Query(
    UserRow,
    _ROWS.where(User.id > bindparam("after")).order_by(User.id).limit(bindparam("limit")),
)

NEW_USER = NewRow(UserRow, User)
