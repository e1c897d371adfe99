"""``/users/{user_id}/orders``."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request

from ..pagination import Cursor, Limit, Page
from .models import Order
from .schemas import OrderCreate, OrderRead
from .service import OrderQueries, OrderServiceDep

router = APIRouter(prefix="/users/{user_id}/orders", tags=["orders"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=OrderRead)
async def create_order(user_id: UUID, data: OrderCreate, orders: OrderServiceDep) -> Order:
    """Create an order of the user."""
    return await orders.create(user_id, data)


@router.get("")
async def list_orders(
    user_id: UUID, request: Request, limit: Limit = 20, cursor: Cursor = None
) -> Page[OrderRead]:
    """List the user's orders in the order of their creation."""
    return await OrderQueries.of(request).page(user_id, limit=limit, cursor=cursor)
