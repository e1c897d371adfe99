"""Statements that are compiled once, for the reads and inserts that run the most.

A session tracks what it loads, so that it can write it back. A read that only answers a request
needs none of that: here its rows become instances of a dataclass, and nothing else. The statement
is SQLAlchemy's own, made from the models, and it runs on the connections of the same pools, behind
the same gates, with the same errors.
"""

# {% if database_driver == "asyncpg" %}
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from weakref import WeakKeyDictionary

from asyncpg import Connection
from sqlalchemy import Dialect, Insert, Select, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from .base import Entity
from .driver import DRIVER_ERRORS, as_database_error
from .engine import Database
from .gate import Gate
# {% else %}
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, insert

from .base import Entity
from .engine import Database
# {% endif %}

R = TypeVar("R")
# {% if database_driver == "asyncpg" %}
Values = Sequence[Any]
# {% endif %}


class Query(Generic[R]):
    """A SELECT whose rows are instances of a dataclass.

        USER = Query(UserRead, select(User.id, User.email).where(User.id == bindparam("id")))
        users = await USER.all(database, id=user_id)

    Raises:
        TypeError: the columns are not the fields of the dataclass, in their order.
    """

    def __init__(self, row: type[R], statement: Select[*tuple[Any, ...]]) -> None:
        if names_of(row) != statement.selected_columns.keys():
            message = f"the statement does not select the fields of {row.__name__} in their order"
            raise TypeError(message)
        self._row = row
        # {% if database_driver == "asyncpg" %}
        self._statement = _Statement(statement)
        # {% else %}
        self._statement = statement
        # {% endif %}

    async def all(self, database: Database, **parameters: object) -> list[R]:
        """Return all rows.

        Raises:
            Overloaded: no connection was free in time.
            sqlalchemy.exc.DBAPIError: as a session does.
        """
        # {% if database_driver == "asyncpg" %}
        rows = await self._statement.run(database.read_engine, database.read_gate, parameters)
        # {% else %}
        async with database.read_gate, database.read_engine.connect() as connection:
            rows = await connection.execute(self._statement, parameters)
        # {% endif %}
        return [self._row(*row) for row in rows]

    async def first(self, database: Database, **parameters: object) -> R | None:
        """Return the first row, or None; raise like ``all``."""
        rows = await self.all(database, **parameters)
        return rows[0] if rows else None


class NewRow(Generic[R]):
    """An INSERT of one row of a model, in a transaction of its own.

        NEW_USER = NewRow(UserRead, User)
        user = await NEW_USER.add(database, {"email": "ada@example.com"})

    Only defaults that Python computes are filled in, those that take no context.
    """

    def __init__(self, row: type[R], model: type[Entity]) -> None:
        columns = model.__table__.columns
        self._row = row
        self._names = names_of(row)
        self._defaults = {
            column.name: column.default.arg for column in columns if column.default is not None
        }
        # {% if database_driver == "asyncpg" %}
        self._statement = _Statement(insert(model))
        # {% else %}
        self._statement = insert(model)
        # {% endif %}

    async def add(self, database: Database, values: Mapping[str, object]) -> R:
        """Insert a row and return it.

        Raises:
            Overloaded: no connection was free in time.
            sqlalchemy.exc.DBAPIError: as a session does.
        """
        defaults = {name: make(None) for name, make in self._defaults.items() if name not in values}
        row = {**defaults, **values}
        # {% if database_driver == "asyncpg" %}
        await self._statement.run(database.write_engine, database.write_gate, row)
        # {% else %}
        async with database.write_gate, database.write_engine.begin() as connection:
            await connection.execute(self._statement, row)
        # {% endif %}
        return self._row(*[row[name] for name in self._names])


def names_of(row: type) -> list[str]:
    """Return the names of the fields of a dataclass."""
    return [field.name for field in fields(row)]
# {% if database_driver == "asyncpg" %}


Process = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """A statement for one engine: text for the driver, and how values are converted."""

    sql: str
    parameters: Sequence[tuple[str, Process]]
    columns: Sequence[Process]

    @classmethod
    async def make(
        cls, statement: Select[*tuple[Any, ...]] | Insert, dialect: Dialect, driver: Connection
    ) -> Self:
        """Compile the statement, and ask the server for the types of its columns."""
        compiled = statement.compile(dialect=dialect)
        types = [(name, compiled.binds[name].type) for name in compiled.positiontup or ()]
        attributes = (await driver.prepare(str(compiled))).get_attributes()
        columns = zip(statement.exported_columns.values(), attributes, strict=False)
        return cls(
            sql=str(compiled),
            parameters=[(n, t.dialect_impl(dialect).bind_processor(dialect)) for n, t in types],
            columns=[
                column.type.dialect_impl(dialect).result_processor(dialect, attribute.type.oid)
                for column, attribute in columns
            ],
        )

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        return [
            values[name] if process is None else process(values[name])
            for name, process in self.parameters
        ]

    def converted(self, rows: Sequence[Values]) -> Sequence[Values]:
        if not any(self.columns):
            return rows
        return [
            [
                value if process is None else process(value)
                for value, process in zip(row, self.columns, strict=True)
            ]
            for row in rows
        ]


class _Statement:
    """Runs a statement on the driver's own connections, which it borrows from a pool."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | Insert) -> None:
        self._statement = statement
        self._plans: WeakKeyDictionary[Dialect, _Plan] = WeakKeyDictionary()

    async def run(
        self, engine: AsyncEngine, gate: Gate, values: Mapping[str, object]
    ) -> Sequence[Values]:
        async with gate, borrowed(engine) as driver:
            plan = self._plans.get(engine.dialect)
            if plan is None:
                plan = await _Plan.make(self._statement, engine.dialect, driver)
                self._plans[engine.dialect] = plan
            try:
                rows = await driver.fetch(plan.sql, *plan.arguments(values))
            except DRIVER_ERRORS as error:
                raise as_database_error(error, plan.sql, driver) from error
            return plan.converted(rows)


class borrowed:  # noqa: N801 - used as a function
    """Takes a connection from the pool, and gives it back, or away when its state is unknown."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def __aenter__(self) -> Connection:
        self._connection = await self._engine.raw_connection()
        return self._connection.driver_connection

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is not None and not isinstance(exc, DBAPIError):
            await greenlet_spawn(self._connection.invalidate, exc)
        await greenlet_spawn(self._connection.close)
# {% endif %}
