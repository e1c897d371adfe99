"""The table of orders."""

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

# {% if database_driver == "asyncmy" %}
from ..database.base import Base, Entity
# {% else %}
from ..database.base import Entity
# {% endif %}

if TYPE_CHECKING:
    from ..users.models import User

ITEM_LENGTH = 200


class Order(Entity):
    """An order; it is deleted together with its user."""

    __tablename__ = "orders"
    # {% if database_driver == "asyncmy" %}
    __table_args__ = (Index(None, "user_id", "id"), Base.__table_args__)
    # {% else %}
    __table_args__ = (Index(None, "user_id", "id"),)
    # {% endif %}

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    item: Mapped[str] = mapped_column(String(ITEM_LENGTH))
    quantity: Mapped[int]

    user: Mapped["User"] = relationship(back_populates="orders", lazy="raise")
