"""What clients send and get."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from ..web.schemas import PLAIN_TEXT, RequestModel, ResponseModel
from .models import ITEM_LENGTH

MAX_QUANTITY = 1_000_000

Item = Annotated[
    str,
    StringConstraints(min_length=1, max_length=ITEM_LENGTH, pattern=PLAIN_TEXT),
    Field(examples=["Analytical engine"]),
]


class OrderCreate(RequestModel):
    item: Item
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)] = 1


class OrderRead(ResponseModel):
    id: UUID
    user_id: UUID
    item: str
    quantity: int
    created_at: datetime
