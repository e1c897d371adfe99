"""``/users/{user_id}/orders``."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

from ..pagination import Cursor, Limit, Page
from .rows import OrderRead
from .schemas import OrderCreate
from .service import OrderQueriesDep, OrderServiceDep

router = APIRouter(prefix="/users/{user_id}/orders", tags=["orders"])


@router.post("", status_code=HTTPStatus.CREATED)
async def create_order(user_id: UUID, data: OrderCreate, orders: OrderServiceDep) -> OrderRead:
    """Create an order of the user."""
    return OrderRead.of(await orders.create(user_id, data))


@router.get("")
async def list_orders(
    user_id: UUID, orders: OrderQueriesDep, limit: Limit = 20, cursor: Cursor = None
) -> Page[OrderRead]:
    """List the user's orders in the order of their creation."""
    return await orders.page(user_id, limit=limit, cursor=cursor)
