# {% if postgresql %}
"""Column types."""

from sqlalchemy import DateTime, Uuid

Id = Uuid()
"""The database's own ``uuid``."""

UtcDateTime = DateTime(timezone=True)
"""An aware timestamp with microseconds; connections run in UTC."""
# {% else %}
"""Column types for what {{ driver.database }} has no type of its own for."""

from datetime import UTC, datetime

# {% if database_driver == "asyncmy" %}
from sqlalchemy import Dialect, TypeDecorator, Uuid
from sqlalchemy.dialects.mysql import DATETIME
# {% else %}
from sqlalchemy import DateTime, Dialect, TypeDecorator, Uuid
# {% endif %}

Id = Uuid(native_uuid=False)
"""32 hexadecimal digits, which sort like the ids themselves."""


class _UtcDateTime(TypeDecorator[datetime]):
    # {% if database_driver == "asyncmy" %}
    impl = DATETIME(fsp=6)
    # {% else %}
    impl = DateTime
    # {% endif %}
    cache_ok = True
    python_type = datetime

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            message = "a naive datetime has no place in time; make it aware"
            raise ValueError(message)
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        # {% if database_driver == "asyncmy" %}
        # A date such as 0000-00-00, which is none, comes as the text that it is.
        return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None
        # {% else %}
        return None if value is None else value.replace(tzinfo=UTC)
        # {% endif %}


UtcDateTime = _UtcDateTime()
"""An aware timestamp with microseconds, stored in UTC."""
# {% endif %}
