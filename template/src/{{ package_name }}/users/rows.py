"""What clients get of users."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ..database.rows import Row
from ..orders.rows import OrderRead


@dataclass
class UserRead(Row):
    id: UUID
    email: str
    full_name: str
    created_at: datetime


@dataclass
class UserWithOrders(UserRead):
    orders: list[OrderRead]
