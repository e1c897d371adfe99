"""Kinds of database errors, the same for all drivers."""

from enum import Enum, auto


class Fault(Enum):
    """A kind of database error."""

    DUPLICATE = auto()
    """A unique constraint is violated."""
    REFERENCE = auto()
    """A foreign key refers to a missing row, or a deleted row is still referred to."""
    INTEGRITY = auto()
    """Another constraint is violated."""
    BAD_VALUE = auto()
    """A value does not fit its column."""
    STATEMENT_TIMEOUT = auto()
    LOCK_TIMEOUT = auto()
    DEADLOCK = auto()
    SERIALIZATION = auto()
    """A serialization failure; the transaction that failed can be run again."""
    DISCONNECTED = auto()
    """The connection is lost, or could not be made."""
    # {% if postgresql %}
    OUTDATED = auto()
    """A prepared statement is older than the schema."""
    # {% endif %}
    # {% if database_driver != "aiosqlite" %}
    READ_ONLY = auto()
    """The server is read-only; another one may have become the primary."""
    # {% endif %}
    EXHAUSTED = auto()
    """The server has no disk, memory or connection left."""
    OTHER = auto()
