"""The declarative base: names of constraints, ids and timestamps."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

# {% if database_driver == "asyncmy" %}
from sqlalchemy import MetaData, Table, event
# {% else %}
from sqlalchemy import MetaData, event
# {% endif %}
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, mapped_column
from uuid_utils.compat import uuid7

from .types import Id, UtcDateTime

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def utc_now() -> datetime:
    """Return the aware current time, in microseconds like the columns that store it."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """The base of every model; migrations refer to constraints by these names."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    # {% if database_driver == "asyncmy" %}
    # With the default collation, letters of another case or accent are equal.
    __table_args__: Any = {
        "mysql_engine": "InnoDB",
        "mysql_charset": "utf8mb4",
        "mysql_collate": "utf8mb4_bin",
    }
    # {% endif %}
# {% if database_driver == "asyncmy" %}


@event.listens_for(Table, "after_parent_attach")
def complete_options(table: Table, metadata: MetaData) -> None:
    """Tables that do not inherit them need them, too, or their foreign keys would not match."""
    if metadata is Base.metadata:
        table.dialect_kwargs.update(Base.__table_args__ | dict(table.dialect_kwargs))
# {% endif %}


@event.listens_for(Base, "after_mapper_constructed", propagate=True)
def fetch_defaults(mapper: Mapper[Any], _model: type[Base]) -> None:
    """Fetch values that the database fills in with the flush: nothing may be loaded later."""
    mapper.eager_defaults = True


class Entity(Base):
    """A row with an id that sorts by the time of its creation, so that inserts stay local."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(Id, primary_key=True, default=uuid7)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
