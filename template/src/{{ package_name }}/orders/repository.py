"""The queries on orders."""

from uuid import UUID

from sqlalchemy import bindparam, select

from ..database.repository import AsyncRepository
from ..models import Order

_PAGE_OF_USER = (
    select(Order)
    .where(Order.user_id == bindparam("user_id"), Order.id > bindparam("after"))
    .order_by(Order.id)
    .limit(bindparam("limit"))
)


class OrderRepository(AsyncRepository[Order]):
    model = Order

    async def page_of_user(self, user_id: UUID, *, after: UUID, limit: int) -> list[Order]:
        """Return up to ``limit`` orders of the user whose ids follow ``after``."""
        parameters = {"user_id": user_id, "after": after, "limit": limit}
        return list(await self.session.scalars(_PAGE_OF_USER, parameters))
