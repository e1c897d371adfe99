"""What can be done with users."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.exc import IntegrityError

from ..database.dependencies import DatabaseDep, ReadSessionDep, WriteSessionDep
from ..database.driver import fault_of
from ..database.engine import Database
from ..database.faults import Fault
from ..database.session import ReadSession, WriteSession
from ..web.pagination import MAX_LIMIT, KeysetPage
from ..web.problems import Conflict, NotFound
from .models import User
from .repository import UserRepository
from .schemas import UserCreate, UserUpdate


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
        """Return the user; raise UserNotFound if there is none."""
        user = await self._users.get(user_id)
        if user is None:
            raise UserNotFound
        return user

    async def page(self, *, limit: int, cursor: str | None) -> KeysetPage[User]:
        """Return a page of users in the order of their creation."""
        return await self._users.page(limit=limit, cursor=cursor)

    async def page_with_orders(self, *, limit: int, cursor: str | None) -> KeysetPage[User]:
        """Return a page of users, each with its orders."""
        return await self._users.page_with_orders(limit=limit, cursor=cursor)


class UserService:
    """Changes users, in one transaction a request."""

    def __init__(self, session: WriteSession) -> None:
        self._users = UserRepository(session)

    async def create(self, data: UserCreate) -> User:
        """Store a new user; raise DuplicateEmail if another one has the address."""
        try:
            return await self._users.add(User(**data.model_dump()))
        except IntegrityError as error:
            raise conflict_of(error) from error

    async def update(self, user_id: UUID, data: UserUpdate) -> User:
        """Change the fields that are given; raise UserNotFound or DuplicateEmail."""
        user = await self._users.get(user_id)
        if user is None:
            raise UserNotFound
        for name, value in data.model_dump(exclude_unset=True).items():
            setattr(user, name, value)
        try:
            return await self._users.add(user)
        except IntegrityError as error:
            raise conflict_of(error) from error

    async def delete(self, user_id: UUID) -> None:
        """Delete the user and the user's orders; raise UserNotFound if there is none."""
        if not await self._users.delete(user_id):
            raise UserNotFound


class UserTransfer:
    """Imports and exports many users, in sessions of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_many(self, data: Sequence[UserCreate]) -> int:
        """Store all the users or none; return their number.

        The transaction is run again after a conflict with another one. An address that is taken, or
        given twice, raises DuplicateEmail.
        """
        rows = [user.model_dump() for user in data]
        try:
            return await self._database.transaction(
                lambda session: UserRepository(session).add_many(rows)
            )
        except IntegrityError as error:
            raise conflict_of(error) from error

    async def export(self) -> AsyncIterator[User]:
        """Yield all users in the order of their creation.

        Each page is read in a session of its own, so that a slow client holds no connection.
        """
        page: KeysetPage[User] | None = None
        while page is None or page.next_cursor:
            async with self._database.read() as session:
                cursor = page.next_cursor if page else None
                page = await UserRepository(session).page(limit=MAX_LIMIT, cursor=cursor)
            for user in page.items:
                yield user


def conflict_of(error: IntegrityError) -> Conflict:
    return DuplicateEmail() if fault_of(error) is Fault.DUPLICATE else Conflict()


async def get_user_queries(session: ReadSessionDep) -> UserQueries:
    return UserQueries(session)


async def get_user_service(session: WriteSessionDep) -> UserService:
    return UserService(session)


async def get_user_transfer(database: DatabaseDep) -> UserTransfer:
    return UserTransfer(database)


UserQueriesDep = Annotated[UserQueries, Depends(get_user_queries)]
UserServiceDep = Annotated[UserService, Depends(get_user_service)]
UserTransferDep = Annotated[UserTransfer, Depends(get_user_transfer)]
