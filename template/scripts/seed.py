"""A few rows of the example to begin with."""

from collections.abc import Sequence

from sqlalchemy import select

from {{ package_name }}.database.engine import Database
from {{ package_name }}.models import User
from {{ package_name }}.orders.schemas import OrderCreate
from {{ package_name }}.orders.service import OrderService
from {{ package_name }}.settings import Settings
from {{ package_name }}.users.schemas import UserCreate
from {{ package_name }}.users.service import UserService

SEED: Sequence[tuple[UserCreate, Sequence[str]]] = (
    (UserCreate(email="ada@example.com", full_name="Ada Lovelace"), ["Analytical engine"]),
    (UserCreate(email="grace@example.com", full_name="Grace Hopper"), ["Compiler", "Moth"]),
    (UserCreate(email="alan@example.com", full_name="Alan Turing"), []),
)
"""Users and what they order, for a table without users."""


async def seed(settings: Settings) -> None:
    """Store some users and orders where there are no users."""
    async with Database.open(settings) as database:
        async with database.read() as session:
            if await session.scalar(select(User.id).limit(1)):
                return
        async with database.write() as session:
            for new_user, items in SEED:
                user = await UserService(session).create(new_user)
                for item in items:
                    await OrderService(session).create(user.id, OrderCreate(item=item))
