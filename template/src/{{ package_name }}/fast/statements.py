"""Statements that are compiled once, for the reads and inserts that run the most.

A session tracks what it loads, so that it can write it back. Most requests need none of that: here
rows become instances of a dataclass, and nothing else. The statements are SQLAlchemy's own, made
from the models; they run on the connections of the same pools, behind the same gates, with the same
limits and errors.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Generic, Protocol, TypeVar

# {% if postgresql %}
from sqlalchemy import ARRAY, Select, any_, bindparam, insert, select
# {% else %}
from sqlalchemy import Select, bindparam, insert, select
# {% endif %}
from sqlalchemy.orm import InstrumentedAttribute

from ..database.base import Entity
from ..database.engine import Database
from .connections import Row, Statement, reading, writing

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Rows(Protocol[R_co]):
    """What reads all its rows: a ``Query`` or a ``Nested``."""

    async def all(self, database: Database, **parameters: object) -> Sequence[R_co]: ...


class Query(Generic[R]):
    """A SELECT whose rows are instances of a dataclass.

        INVOICE = Query(InvoiceRow, select(Invoice.id).where(Invoice.id == bindparam("id")))
        invoice = await INVOICE.first(database, id=invoice_id)

    Raises:
        TypeError: the columns are not the fields of the dataclass, in their order.
    """

    def __init__(self, row: type[R], statement: Select[*tuple[Any, ...]]) -> None:
        require_columns(statement, row, names_of(row))
        self._row = row
        self._statement = Statement(statement)

    async def all(self, database: Database, **parameters: object) -> list[R]:
        """Return all rows.

        Raises:
            Overloaded: no connection was free in time.
            sqlalchemy.exc.StatementError: as a session does.
        """
        async with database.read_gate, reading(database) as connection:
            rows = await connection.fetch(self._statement, parameters)
        return [self._row(*row) for row in rows]

    async def first(self, database: Database, **parameters: object) -> R | None:
        """Return the first row, or None; raise like ``all``."""
        rows = await self.all(database, **parameters)
        return rows[0] if rows else None


class Nested(Generic[R]):
    """A SELECT whose rows have a list of related rows in their last field, by one more SELECT.

        INVOICES = Nested(InvoiceWithLines, select(Invoice.id), Invoice.lines, LineRow)
        invoices = await INVOICES.all(database)

    Raises:
        TypeError: the columns are not the other fields of the dataclass, in their order.
        ValueError: the relationship is not one of a single column.
    """

    def __init__(
        self,
        row: type[R],
        statement: Select[*tuple[Any, ...]],
        relationship: InstrumentedAttribute[list[Any]],
        related_row: type[Any],
    ) -> None:
        require_columns(statement, row, names_of(row)[:-1])
        ((own, foreign),) = relationship.property.local_remote_pairs
        related = relationship.property.mapper.columns
        names = names_of(related_row)
        self._row: Callable[..., R] = row
        self._related_row = related_row
        self._key = names_of(row).index(own.key)
        self._foreign_key = names.index(foreign.key)
        self._statement = Statement(statement)
        self._related = Statement(
            select(*[related[name] for name in names])
            # {% if postgresql %}
            .where(foreign == any_(bindparam("keys", type_=ARRAY(foreign.type))))
            # {% else %}
            .where(foreign.in_(bindparam("keys", expanding=True)))
            # {% endif %}
            .order_by(*relationship.property.order_by or ())
        )

    async def all(self, database: Database, **parameters: object) -> list[R]:
        """Return all rows; raise like a ``Query``."""
        related: Sequence[Row] = ()
        async with database.read_gate, reading(database) as connection:
            rows = await connection.fetch(self._statement, parameters)
            if keys := [row[self._key] for row in rows]:
                related = await connection.fetch(self._related, {"keys": keys})
        found = defaultdict(list)
        for row in related:
            found[row[self._foreign_key]].append(self._related_row(*row))
        return [self._row(*row, found[row[self._key]]) for row in rows]


class NewRow(Generic[R]):
    """An INSERT of one row of a model, which is committed when it returns.

        NEW_INVOICE = NewRow(InvoiceRow, Invoice)
        invoice = await NEW_INVOICE.add(database, {"number": 7})

    Raises:
        TypeError: the database itself would fill in a field of the row.
    """

    def __init__(self, row: type[R], model: type[Entity]) -> None:
        self._row = row
        self._names = names_of(row)
        self._defaults: dict[str, Any] = {}
        for column in model.__table__.columns:
            if column.default is not None and column.default.is_callable:
                self._defaults[column.key] = column.default.arg
            elif column.default is not None or column.server_default is not None:
                message = f"give {column} a default that is a function, or add it through a session"
                raise TypeError(message)
            elif column.nullable:
                self._defaults[column.key] = _null
        self._statement = Statement(insert(model))

    async def add(self, database: Database, values: Mapping[str, object]) -> R:
        """Insert a row and return it.

        Raises:
            Overloaded: no connection was free in time.
            sqlalchemy.exc.StatementError: as a session does.
        """
        defaults = {name: make(None) for name, make in self._defaults.items() if name not in values}
        row = {**defaults, **values}
        async with database.write_gate, writing(database) as connection:
            await connection.commit(self._statement, row)
        return self._row(*[row[name] for name in self._names])


def _null(_context: object) -> None:
    return None


def names_of(row: type) -> list[str]:
    """Return the names of the fields of a dataclass."""
    return [field.name for field in fields(row)]


def require_columns(statement: Select[*tuple[Any, ...]], row: type, names: Sequence[str]) -> None:
    """Raise TypeError unless the statement selects what the row is made of."""
    if list(names) != statement.selected_columns.keys():
        message = f"the statement does not select the fields of {row.__name__} in their order"
        raise TypeError(message)
