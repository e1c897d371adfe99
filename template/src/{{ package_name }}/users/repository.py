"""The queries on users."""

from functools import cache

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from ..database.repository import AsyncRepository
from ..web.pagination import Keyset, KeysetPage
from .models import User

PAGE = Keyset(select(User), User.id)  # in the order of their creation


@cache
def page_with_orders() -> Keyset[User]:
    # Not a constant: the relationship can be named only when all models are imported.
    return Keyset(select(User).options(selectinload(User.orders)), User.id)


class UserRepository(AsyncRepository[User]):
    model = User

    async def page(self, *, limit: int, cursor: str | None) -> KeysetPage[User]:
        """Return a page of users."""
        return await PAGE.page(self.session, limit=limit, cursor=cursor)

    async def page_with_orders(self, *, limit: int, cursor: str | None) -> KeysetPage[User]:
        """Return a page of users, each with all orders."""
        return await page_with_orders().page(self.session, limit=limit, cursor=cursor)
