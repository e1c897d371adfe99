"""What can be done with orders."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Request

from ..database.dependencies import WriteSessionDep
from ..database.engine import Database
from ..database.session import WriteSession
from ..lifespan import state_of
from ..pagination import Page, cut_page, decode_cursor
from ..users.repository import UserRepository
from ..users.service import UserNotFound
from .models import Order
from .repository import OrderRepository
from .schemas import OrderCreate, OrderRead


class OrderQueries:
    """Reads orders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def of(cls, request: Request) -> Self:
        """Make it for a request."""
        return cls(state_of(request)["database"])

    async def page(self, user_id: UUID, *, limit: int, cursor: str | None) -> Page[OrderRead]:
        """Return a page of the user's orders in the order of their creation.

        Raises:
            UserNotFound: there is no such user.
        """
        listing = f"orders of {user_id}"
        after = decode_cursor(cursor, listing=listing)
        async with self._database.read() as session:
            orders = OrderRepository(session)
            rows = await orders.page_of_user(user_id, after=after, limit=limit + 1)
            if not rows and await UserRepository(session).get(user_id) is None:
                raise UserNotFound
        return Page[OrderRead].model_validate(cut_page(rows, limit=limit, listing=listing))


class OrderService:
    """Changes orders, in one transaction a request."""

    def __init__(self, session: WriteSession) -> None:
        self._users = UserRepository(session)
        self._orders = OrderRepository(session)

    async def create(self, user_id: UUID, data: OrderCreate) -> Order:
        """Store a new order of the user.

        Raises:
            UserNotFound: there is no such user.
        """
        if await self._users.get(user_id) is None:
            raise UserNotFound
        return await self._orders.add(Order(user_id=user_id, **data.model_dump()))


async def get_order_service(session: WriteSessionDep) -> OrderService:
    return OrderService(session)


OrderServiceDep = Annotated[OrderService, Depends(get_order_service)]
