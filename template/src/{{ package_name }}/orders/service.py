"""What can be done with orders."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from ..database.dependencies import ReadSessionDep, WriteSessionDep
from ..database.session import ReadSession, WriteSession
from ..users.repository import UserRepository
from ..users.service import UserNotFound
from ..web.pagination import KeysetPage
from .models import Order
from .repository import OrderRepository
from .schemas import OrderCreate


class OrderQueries:
    """Reads orders."""

    def __init__(self, session: ReadSession) -> None:
        self._users = UserRepository(session)
        self._orders = OrderRepository(session)

    async def page(self, user_id: UUID, *, limit: int, cursor: str | None) -> KeysetPage[Order]:
        """Return a page of the user's orders, the oldest first; raise UserNotFound."""
        page = await self._orders.page_of_user(user_id, limit=limit, cursor=cursor)
        if not page.items and await self._users.get(user_id) is None:
            raise UserNotFound
        return page


class OrderService:
    """Changes orders, in one transaction a request."""

    def __init__(self, session: WriteSession) -> None:
        self._users = UserRepository(session)
        self._orders = OrderRepository(session)

    async def create(self, user_id: UUID, data: OrderCreate) -> Order:
        """Store a new order of the user; raise UserNotFound if there is no such user."""
        if await self._users.get(user_id) is None:
            raise UserNotFound
        return await self._orders.add(Order(user_id=user_id, **data.model_dump()))


async def get_order_queries(session: ReadSessionDep) -> OrderQueries:
    return OrderQueries(session)


async def get_order_service(session: WriteSessionDep) -> OrderService:
    return OrderService(session)


OrderQueriesDep = Annotated[OrderQueries, Depends(get_order_queries)]
OrderServiceDep = Annotated[OrderService, Depends(get_order_service)]
