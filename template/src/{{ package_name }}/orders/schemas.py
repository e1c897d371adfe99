"""What clients send."""

from typing import Annotated

from pydantic import Field, StringConstraints

from ..schemas import PLAIN_TEXT, RequestModel
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
