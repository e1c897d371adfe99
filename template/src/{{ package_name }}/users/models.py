"""The table of users."""

from typing import TYPE_CHECKING

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database.base import Entity

if TYPE_CHECKING:
    from ..orders.models import Order

EMAIL_LENGTH = 254
"""Characters, the longest path of RFC 5321 without its angle brackets."""

FULL_NAME_LENGTH = 200


class User(Entity):
    """A user; the email address is stored in lower case."""

    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH), unique=True)
    full_name: Mapped[str] = mapped_column(String(FULL_NAME_LENGTH))

    orders: Mapped[list["Order"]] = relationship(
        back_populates="user", lazy="raise", passive_deletes="all", order_by="Order.id"
    )
