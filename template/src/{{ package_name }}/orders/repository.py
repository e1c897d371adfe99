"""The queries on orders."""

from uuid import UUID

from sqlalchemy import bindparam, select

from ..database.repository import AsyncRepository
from ..web.pagination import Keyset, KeysetPage
from .models import Order

# In the order of their creation.
PAGE_OF_USER = Keyset(select(Order).where(Order.user_id == bindparam("user_id")), Order.id)


class OrderRepository(AsyncRepository[Order]):
    model = Order

    async def page_of_user(
        self, user_id: UUID, *, limit: int, cursor: str | None
    ) -> KeysetPage[Order]:
        """Return a page of the user's orders."""
        return await PAGE_OF_USER.page(self.session, limit=limit, cursor=cursor, user_id=user_id)
