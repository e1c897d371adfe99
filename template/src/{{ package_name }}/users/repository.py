"""The queries on users."""

from sqlalchemy import bindparam, select

from ..database.compiled import NewRow, Query
from ..database.repository import AsyncRepository
from ..orders.models import Order
from ..orders.rows import OrderRead
from .models import User
from .rows import UserRead

_USERS = select(User.id, User.email, User.full_name, User.created_at)
_ORDERS = select(Order.id, Order.user_id, Order.item, Order.quantity, Order.created_at)

USER = Query(UserRead, _USERS.where(User.id == bindparam("id")))

PAGE = Query(
    UserRead,
    _USERS.where(User.id > bindparam("after")).order_by(User.id).limit(bindparam("limit")),
)

ORDERS_OF_PAGE = Query(
    OrderRead,
    _ORDERS.where(Order.user_id.between(bindparam("first"), bindparam("last"))).order_by(Order.id),
)
"""The orders of all users of a page, which is a range of ids."""

NEW_USER = NewRow(UserRead, User)


class UserRepository(AsyncRepository[User]):
    model = User
