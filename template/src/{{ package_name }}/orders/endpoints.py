"""``/users/{user_id}/orders``."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

# {% if auth == "oidc" %}
from ..auth.dependencies import needs_scope
# {% endif %}
from ..web.pagination import Cursor, KeysetPage, Limit, Page
from .models import Order
from .schemas import OrderCreate, OrderRead
from .service import OrderQueriesDep, OrderServiceDep

router = APIRouter(prefix="/users/{user_id}/orders", tags=["orders"])


# {% if auth == "oidc" %}
@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=OrderRead,
    dependencies=[needs_scope("users:write")],
)
# {% else %}
@router.post("", status_code=HTTPStatus.CREATED, response_model=OrderRead)
# {% endif %}
async def create_order(user_id: UUID, data: OrderCreate, orders: OrderServiceDep) -> Order:
    """Create an order of the user."""
    return await orders.create(user_id, data)


# {% if auth == "oidc" %}
@router.get("", response_model=Page[OrderRead], dependencies=[needs_scope("users:read")])
# {% else %}
@router.get("", response_model=Page[OrderRead])
# {% endif %}
async def list_orders(
    user_id: UUID, orders: OrderQueriesDep, limit: Limit = 20, cursor: Cursor = None
) -> KeysetPage[Order]:
    """List the user's orders in the order of their creation."""
    return await orders.page(user_id, limit=limit, cursor=cursor)
