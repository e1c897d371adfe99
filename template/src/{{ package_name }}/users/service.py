"""What can be done with users."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.exc import IntegrityError

from ..database.dependencies import DatabaseDep, ReadSessionDep, WriteSessionDep
from ..database.driver import fault_of
from ..database.engine import Database
from ..database.faults import Fault
from ..database.session import ReadSession, WriteSession
from ..pagination import Page, cut_page, decode_cursor
from ..problems import Conflict, NotFound
from .models import User
from .repository import WITH_ORDERS, UserRepository
from .schemas import UserCreate, UserRead, UserUpdate, UserWithOrders

LISTING = "users"


class UserNotFound(NotFound):
    type = "user-not-found"
    title = "There is no such user"


class DuplicateEmail(Conflict):
    type = "duplicate-email"
    title = "The email address is taken"


class UserQueries:
    """Reads users."""

    def __init__(self, session: ReadSession) -> None:
        self._users = UserRepository(session)

    async def get(self, user_id: UUID) -> User:
        """Return the user.

        Raises:
            UserNotFound: there is none.
        """
        return await _existing(self._users, user_id)

    async def page(self, *, limit: int, cursor: str | None) -> Page[UserRead]:
        """Return a page of users in the order of their creation."""
        after = decode_cursor(cursor, listing=LISTING)
        rows = await self._users.page(after=after, limit=limit + 1)
        users, next_cursor = cut_page(rows, limit=limit, listing=LISTING)
        items = [UserRead.model_validate(user) for user in users]
        return Page[UserRead](items=items, next_cursor=next_cursor)

    async def page_with_orders(self, *, limit: int, cursor: str | None) -> Page[UserWithOrders]:
        """Return a page of users, each with its orders."""
        after = decode_cursor(cursor, listing=LISTING)
        rows = await self._users.page(after=after, limit=limit + 1, options=WITH_ORDERS)
        users, next_cursor = cut_page(rows, limit=limit, listing=LISTING)
        items = [UserWithOrders.model_validate(user) for user in users]
        return Page[UserWithOrders](items=items, next_cursor=next_cursor)


class UserService:
    """Changes users, in one transaction a request."""

    def __init__(self, session: WriteSession) -> None:
        self._users = UserRepository(session)

    async def create(self, data: UserCreate) -> User:
        """Store a new user.

        Raises:
            DuplicateEmail: another user has the address.
        """
        with _unique_email():
            return await self._users.add(User(**data.model_dump()))

    async def create_many(self, data: Sequence[UserCreate]) -> int:
        """Store all the users or none; return their number.

        Raises:
            DuplicateEmail: an address is taken, or given twice.
        """
        with _unique_email():
            return await self._users.add_many([user.model_dump() for user in data])

    async def update(self, user_id: UUID, data: UserUpdate) -> User:
        """Change the fields that are given.

        Raises:
            UserNotFound: there is no such user.
            DuplicateEmail: another user has the address.
        """
        user = await _existing(self._users, user_id)
        for name, value in data.model_dump(exclude_unset=True).items():
            setattr(user, name, value)
        with _unique_email():
            return await self._users.add(user)

    async def delete(self, user_id: UUID) -> None:
        """Delete the user and the user's orders.

        Raises:
            UserNotFound: there is none.
        """
        if not await self._users.delete(user_id):
            raise UserNotFound


class UserBatches:
    """Adds many users as one unit of work, which is run again if another one met it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, data: Sequence[UserCreate]) -> int:
        """Store all the users or none; return their number.

        Raises:
            DuplicateEmail: an address is taken, or given twice.
        """
        return await self._database.transaction(
            lambda session: UserService(session).create_many(data)
        )


async def _existing(users: UserRepository, user_id: UUID) -> User:
    user = await users.get(user_id)
    if user is None:
        raise UserNotFound
    return user


@contextmanager
def _unique_email() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise (DuplicateEmail if fault_of(error) is Fault.DUPLICATE else Conflict) from error


async def get_user_queries(session: ReadSessionDep) -> UserQueries:
    return UserQueries(session)


async def get_user_service(session: WriteSessionDep) -> UserService:
    return UserService(session)


async def get_user_batches(database: DatabaseDep) -> UserBatches:
    return UserBatches(database)


UserQueriesDep = Annotated[UserQueries, Depends(get_user_queries)]
UserBatchesDep = Annotated[UserBatches, Depends(get_user_batches)]
UserServiceDep = Annotated[UserService, Depends(get_user_service)]
