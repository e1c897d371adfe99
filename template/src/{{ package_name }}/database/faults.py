"""What can go wrong in a database, whatever the driver calls it."""

from enum import Enum, auto


class Fault(Enum):
    """The meaning of a database error."""

    DUPLICATE = auto()
    """A unique constraint does not hold."""
    REFERENCE = auto()
    """A foreign key names a row that is not there, or a row is still named by one."""
    INTEGRITY = auto()
    """Another constraint does not hold."""
    BAD_VALUE = auto()
    """A value does not fit its column."""
    STATEMENT_TIMEOUT = auto()
    LOCK_TIMEOUT = auto()
    DEADLOCK = auto()
    SERIALIZATION = auto()
    """Two transactions cannot both have happened; the one that failed can be run again."""
    DISCONNECTED = auto()
    """The connection is lost, or none could be made."""
    # {% if postgresql %}
    OUTDATED = auto()
    """A prepared statement is older than the schema."""
    # {% endif %}
    # {% if database_driver != "aiosqlite" %}
    READ_ONLY = auto()
    """The server takes no changes; another one may have taken its place."""
    # {% endif %}
    EXHAUSTED = auto()
    """The server has no disk, memory or connection left."""
    OTHER = auto()
