"""What clients get of orders."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ..database.rows import Row


@dataclass
class OrderRead(Row):
    id: UUID
    user_id: UUID
    item: str
    quantity: int
    created_at: datetime
