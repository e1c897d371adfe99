"""All models, so that importing this module is enough to know every table."""

from .database.base import Base
# {% if example %}
from .orders.models import Order
from .users.models import User

__all__ = ["Order", "User"]
# {% endif %}

METADATA = Base.metadata
