"""What can be done with users."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.exc import IntegrityError

from ..database.dependencies import WriteSessionDep
from ..database.driver import fault_of
from ..database.engine import Database
from ..database.faults import Fault
from ..database.session import WriteSession
from ..lifespan import state_of
from ..pagination import Page, cut_page, decode_cursor
from ..problems import Conflict, NotFound
from .models import User
from .repository import NEW_USER, ORDERS_OF_PAGE, PAGE, USER, UserRepository
from .rows import UserRead, UserWithOrders
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

    async def get(self, user_id: UUID) -> UserRead:
        """Return the user.

        Raises:
            UserNotFound: there is none.
        """
        user = await USER.first(self._database, id=user_id)
        if user is None:
            raise UserNotFound
        return user

    async def page(self, *, limit: int, cursor: str | None) -> Page[UserRead]:
        """Return a page of users in the order of their creation."""
        after = decode_cursor(cursor, listing=LISTING)
        rows = await PAGE.all(self._database, after=after, limit=limit + 1)
        users, next_cursor = cut_page(rows, limit=limit, listing=LISTING)
        return Page[UserRead](items=users, next_cursor=next_cursor)

    async def page_with_orders(self, *, limit: int, cursor: str | None) -> Page[UserWithOrders]:
        """Return a page of users, each with its orders."""
        page = await self.page(limit=limit, cursor=cursor)
        users = {user.id: UserWithOrders(**vars(user), orders=[]) for user in page.items}
        if users:
            ids = [*users]
            orders = await ORDERS_OF_PAGE.all(self._database, first=ids[0], last=ids[-1])
            for order in orders:
                # A user may have come in between the two statements.
                if user := users.get(order.user_id):
                    user.orders.append(order)
        return Page[UserWithOrders](items=[*users.values()], next_cursor=page.next_cursor)


class NewUsers:
    """Adds users one by one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, data: UserCreate) -> UserRead:
        """Store a new user.

        Raises:
            DuplicateEmail: another user has the address.
        """
        with _unique_email():
            return await NEW_USER.add(self._database, data.model_dump())


class UserService:
    """Changes users, in one transaction a request."""

    def __init__(self, session: WriteSession) -> None:
        self._users = UserRepository(session)

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


async def get_user_queries(request: Request) -> UserQueries:
    return UserQueries(state_of(request)["database"])


async def get_new_users(request: Request) -> NewUsers:
    return NewUsers(state_of(request)["database"])


async def get_user_service(session: WriteSessionDep) -> UserService:
    return UserService(session)


UserQueriesDep = Annotated[UserQueries, Depends(get_user_queries)]
NewUsersDep = Annotated[NewUsers, Depends(get_new_users)]
UserServiceDep = Annotated[UserService, Depends(get_user_service)]
