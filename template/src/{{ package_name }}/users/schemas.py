"""What clients send and get."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import MISSING, Field, StringConstraints

from ..web.schemas import PLAIN_TEXT, RequestModel, ResponseModel
from .models import EMAIL_LENGTH, FULL_NAME_LENGTH

BULK_ROWS = 10_000
"""Users in one bulk request at most."""

BULK_BYTES = 10 * 1024 * 1024
"""The body of a bulk request at most; ``BULK_ROWS`` users of the usual size are far smaller."""

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL = r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@" + rf"{_LABEL}(?:\.{_LABEL})*$"

Email = Annotated[
    str,
    StringConstraints(to_lower=True, max_length=EMAIL_LENGTH, pattern=_EMAIL),
    Field(examples=["ada@example.com"]),
]
FullName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=FULL_NAME_LENGTH, pattern=PLAIN_TEXT),
    Field(examples=["Ada Lovelace"]),
]


class UserCreate(RequestModel):
    email: Email
    full_name: FullName


class UserUpdate(RequestModel):
    """The fields to change; a field that is left out stays as it is."""

    email: Email | MISSING = MISSING
    full_name: FullName | MISSING = MISSING


class UsersCreate(RequestModel):
    users: Annotated[list[UserCreate], Field(min_length=1, max_length=BULK_ROWS)]


class UsersCreated(ResponseModel):
    created: int


class UserRead(ResponseModel):
    id: UUID
    email: str
    full_name: str
    created_at: datetime


class OrderOfUser(ResponseModel):
    id: UUID
    user_id: UUID
    item: str
    quantity: int
    created_at: datetime


class UserWithOrders(UserRead):
    orders: list[OrderOfUser]
