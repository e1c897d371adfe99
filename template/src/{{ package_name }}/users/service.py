"""What can be done with users."""

from collections.abc import Sequence
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.exc import IntegrityError

from ..database.dependencies import WriteSessionDep
from ..database.driver import fault_of
from ..database.engine import Database
from ..database.faults import Fault
from ..database.session import WriteSession
from ..lifespan import state_of
from ..pagination import CutPage, cut_page, decode_cursor
from ..problems import Conflict, NotFound
from .models import User
from .repository import NEW_USER, PAGE, PAGE_WITH_ORDERS, USER, UserRepository
from .rows import UserRow, UserWithOrdersRow
from .schemas import UserCreate, UserUpdate

LISTING = "users"


class UserNotFound(NotFound):
    type = "user-not-found"
    title = "There is no such user"


class DuplicateEmail(Conflict):
    type = "duplicate-email"
    title = "The email address is taken"


class UserQueries:
    """Reads users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def of(cls, request: Request) -> Self:
        """Make it for a request. As a dependency it would cost a twelfth of one."""
        return cls(state_of(request)["database"])

    async def get(self, user_id: UUID) -> UserRow:
        """Return the user.

        Raises:
            UserNotFound: there is none.
        """
        user = await USER.first(self._database, id=user_id)
        if user is None:
            raise UserNotFound
        return user

    async def page(self, *, limit: int, cursor: str | None) -> CutPage[UserRow]:
        """Return a page of users in the order of their creation."""
        after = decode_cursor(cursor, listing=LISTING)
        rows = await PAGE.all(self._database, after=after, limit=limit + 1)
        return cut_page(rows, limit=limit, listing=LISTING)

    async def page_with_orders(
        self, *, limit: int, cursor: str | None
    ) -> CutPage[UserWithOrdersRow]:
        """Return a page of users, each with its orders."""
        after = decode_cursor(cursor, listing=LISTING)
        rows = await PAGE_WITH_ORDERS.all(self._database, after=after, limit=limit + 1)
        return cut_page(rows, limit=limit, listing=LISTING)


class UserCreation:
    """Creates users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def of(cls, request: Request) -> Self:
        """Make it for a request, as ``UserQueries`` does."""
        return cls(state_of(request)["database"])

    async def create(self, data: UserCreate) -> UserRow:
        """Store a new user.

        Raises:
            DuplicateEmail: another user has the address.
        """
        try:
            return await NEW_USER.add(self._database, vars(data))
        except IntegrityError as error:
            raise _conflict(error) from error

    async def create_many(self, data: Sequence[UserCreate]) -> int:
        """Store all the users or none; return their number.

        The transaction is run again when another one got in its way.

        Raises:
            DuplicateEmail: an address is taken, or given twice.
        """
        rows = [user.model_dump() for user in data]
        try:
            return await self._database.transaction(
                lambda session: UserRepository(session).add_many(rows)
            )
        except IntegrityError as error:
            raise _conflict(error) from error


class UserService:
    """Changes users, in one transaction a request."""

    def __init__(self, session: WriteSession) -> None:
        self._users = UserRepository(session)

    async def update(self, user_id: UUID, data: UserUpdate) -> User:
        """Change the fields that are given.

        Raises:
            UserNotFound: there is no such user.
            DuplicateEmail: another user has the address.
        """
        user = await self._users.get(user_id)
        if user is None:
            raise UserNotFound
        for name, value in data.model_dump(exclude_unset=True).items():
            setattr(user, name, value)
        try:
            return await self._users.add(user)
        except IntegrityError as error:
            raise _conflict(error) from error

    async def delete(self, user_id: UUID) -> None:
        """Delete the user and the user's orders.

        Raises:
            UserNotFound: there is none.
        """
        if not await self._users.delete(user_id):
            raise UserNotFound


def _conflict(error: IntegrityError) -> Conflict:
    return DuplicateEmail() if fault_of(error) is Fault.DUPLICATE else Conflict()


async def get_user_service(session: WriteSessionDep) -> UserService:
    return UserService(session)


UserServiceDep = Annotated[UserService, Depends(get_user_service)]
