"""All models, so that whoever imports this module knows every table."""

from .database.base import Base
from .orders.models import Order
from .users.models import User

__all__ = ["Order", "User"]

METADATA = Base.metadata
