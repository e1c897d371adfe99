"""``/users/{user_id}/orders``."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

from ..web.pagination import Cursor, KeysetPage, Limit, Page
from .models import Order
from .schemas import OrderCreate, OrderRead
from .service import OrderQueriesDep, OrderServiceDep

router = APIRouter(prefix="/users/{user_id}/orders", tags=["orders"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=OrderRead)
async def create_order(user_id: UUID, data: OrderCreate, orders: OrderServiceDep) -> Order:
    """Create an order of the user."""
    return await orders.create(user_id, data)


@router.get("", response_model=Page[OrderRead])
async def list_orders(
    user_id: UUID, orders: OrderQueriesDep, limit: Limit = 20, cursor: Cursor = None
) -> KeysetPage[Order]:
    """List the user's orders in the order of their creation."""
    return await orders.page(user_id, limit=limit, cursor=cursor)
