"""What is read and answered without a session that tracks it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ..orders.rows import OrderRow


@dataclass
class UserRow:
    """A user as most requests get it."""

    id: UUID
    email: str
    full_name: str
    created_at: datetime


@dataclass
class UserWithOrdersRow(UserRow):
    """A user with all orders."""

    orders: list[OrderRow]
