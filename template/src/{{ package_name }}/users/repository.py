"""The queries on users."""

from sqlalchemy import bindparam, select

from ..database.compiled import Nested, NewRow, Query
from ..database.repository import AsyncRepository
from ..models import User
from ..orders.rows import OrderRow
from .rows import UserRow, UserWithOrdersRow


class UserRepository(AsyncRepository[User]):
    model = User


_ROWS = select(User.id, User.email, User.full_name, User.created_at)
_PAGE = _ROWS.where(User.id > bindparam("after")).order_by(User.id).limit(bindparam("limit"))

USER = Query(UserRow, _ROWS.where(User.id == bindparam("id")))
PAGE = Query(UserRow, _PAGE)
PAGE_WITH_ORDERS = Nested(UserWithOrdersRow, _PAGE, User.orders, OrderRow)
NEW_USER = NewRow(UserRow, User)
