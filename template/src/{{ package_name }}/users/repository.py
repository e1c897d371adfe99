"""The queries on users."""

from sqlalchemy.orm import selectinload

from ..database.repository import AsyncRepository
from .models import User

WITH_ORDERS = (selectinload(User.orders),)
"""Loads the orders of all users of a page with one more statement."""


class UserRepository(AsyncRepository[User]):
    model = User
