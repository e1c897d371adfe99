"""What is read and answered without a session that tracks it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass
class OrderRow:
    """An order as most requests get it."""

    id: UUID
    user_id: UUID
    item: str
    quantity: int
    created_at: datetime
