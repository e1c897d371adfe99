"""Statements that are compiled once, for the reads and inserts that run the most.

A session tracks what it loads, so that it can write it back. Most requests need none of that: here
rows become instances of a dataclass, and nothing else. The statements are SQLAlchemy's own, made
from the models; they run on the connections of the same pools, behind the same gates, with the same
limits and errors.
"""

# {% if postgresql %}
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Self, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import ARRAY, Dialect, Engine, Insert, Select, any_, bindparam, insert, select
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql.compiler import SQLCompiler
# {% else %}
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine, Select, bindparam, insert, select
from sqlalchemy.orm import InstrumentedAttribute
# {% endif %}

from .base import Entity
# {% if postgresql %}
# {% if database_driver == "asyncpg" %}
from .driver import adapted
# {% else %}
from .driver import check_out
# {% endif %}
# {% endif %}
# {% if database_driver == "asyncpg" %}
from .engine import Database, check_in, check_out
# {% else %}
from .engine import Database
# {% endif %}
from .greenlets import greenlet_spawn

R = TypeVar("R")

Row = Sequence[Any]
# {% if postgresql %}

Process = Callable[[Any], Any] | None
"""Turns a value of Python into one of the driver, or back."""
# {% endif %}


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
        self._statement = _Statement(statement)

    async def all(self, database: Database, **parameters: object) -> list[R]:
        """Return all rows.

        Raises:
            Overloaded: no connection was free in time.
            sqlalchemy.exc.StatementError: as a session does.
        """
        async with database.read_gate:
            rows = await self._statement.run(database.read_engine.sync_engine, parameters)
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
        self._statement = _Statement(statement)
        self._related = _Statement(
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
        async with database.read_gate:
            engine = database.read_engine.sync_engine
            rows = await self._statement.run(engine, parameters)
            if keys := [row[self._key] for row in rows]:
                related = await self._related.run(engine, {"keys": keys})
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
        # {% if postgresql %}
        self._statement = _Statement(insert(model))
        # {% else %}
        self._statement = insert(model)
        # {% endif %}

    async def add(self, database: Database, values: Mapping[str, object]) -> R:
        """Insert a row and return it.

        Raises:
            Overloaded: no connection was free in time.
            sqlalchemy.exc.StatementError: as a session does.
        """
        defaults = {name: make(None) for name, make in self._defaults.items() if name not in values}
        row = {**defaults, **values}
        # {% if postgresql %}
        async with database.write_gate:
            await self._statement.run(database.write_engine.sync_engine, row)
        # {% else %}

        def run() -> None:
            with database.write_engine.sync_engine.begin() as connection:
                connection.execute(self._statement, row)

        async with database.write_gate:
            await greenlet_spawn(run)
        # {% endif %}
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
# {% if postgresql %}


@dataclass(slots=True)
class _Plan:
    """A statement for one engine: its text for the driver, and how values are converted."""

    compiled: SQLCompiler
    sql: str
    names: frozenset[str]
    parameters: Sequence[tuple[str, Process]]
    columns: Sequence[Process] | None = None
    """Known when the driver has told how it returns them."""

    @classmethod
    def make(cls, statement: Select[*tuple[Any, ...]] | Insert, dialect: Dialect) -> Self:
        compiled = statement.compile(dialect=dialect)
        if compiled.post_compile_params:
            message = "a list of values has no fixed text; compare with any_() of an array instead"
            raise TypeError(message)
        # {% if database_driver == "asyncpg" %}
        names = compiled.positiontup or ()
        # {% else %}
        names = compiled.bind_names.values()
        # {% endif %}
        types = [(name, compiled.binds[name].type.dialect_impl(dialect)) for name in names]
        return cls(
            compiled=compiled,
            sql=str(compiled),
            names=frozenset(names),
            parameters=[(name, type_.bind_processor(dialect)) for name, type_ in types],
        )

    def arguments(self, values: Mapping[str, object]) -> {{ "list[object]" if database_driver == "asyncpg" else "dict[str, object]" }}:
        given = values if values.keys() >= self.names else self.compiled.construct_params(values)
        # {% if database_driver == "asyncpg" %}
        return [
            given[name] if process is None else process(given[name])
            for name, process in self.parameters
        ]
        # {% else %}
        return {
            name: given[name] if process is None else process(given[name])
            for name, process in self.parameters
        }
        # {% endif %}


class _Statement:
    # {% if database_driver == "asyncpg" %}
    """Runs a statement on the driver's connection, without the layers above."""
    # {% else %}
    """Runs a statement through the driver's cursor, without the layers above."""
    # {% endif %}

    def __init__(self, statement: Select[*tuple[Any, ...]] | Insert) -> None:
        self._statement = statement
        self._plans: WeakKeyDictionary[Dialect, _Plan] = WeakKeyDictionary()

    async def run(self, engine: Engine, values: Mapping[str, object]) -> Sequence[Row]:
        if engine.dispatch.before_cursor_execute or engine.dispatch.after_cursor_execute:
            return await greenlet_spawn(self._run_in_the_open, engine, values)
        # {% if database_driver == "asyncpg" %}
        plan = self._plan(engine.dialect)
        connection = await check_out(engine)
        try:
            driver: Any = connection.driver_connection
            if plan.columns is None:
                prepared = await driver.prepare(plan.sql)
                types = [column.type.oid for column in prepared.get_attributes()]
                plan.columns = self._processes(engine.dialect, types)
            rows = await driver.fetch(plan.sql, *plan.arguments(values))
        except Exception as error:
            raise _translated(error, connection, engine.dialect, plan.sql) from error
        except BaseException as error:
            # The statement may still run on the connection.
            await greenlet_spawn(connection.invalidate, error)
            raise
        finally:
            await check_in(engine, connection)
        return _converted(rows, plan.columns)
        # {% else %}
        return await greenlet_spawn(self._run, engine, values)

    def _run(self, engine: Engine, values: Mapping[str, object]) -> Sequence[Row]:
        plan = self._plan(engine.dialect)
        with check_out(engine) as connection:
            try:
                cursor = connection.cursor()
                cursor.execute(plan.sql, plan.arguments(values))
                rows = cursor.fetchall() if cursor.description else ()
            except Exception as error:
                raise _translated(error, connection, engine.dialect, plan.sql) from error
            except BaseException as error:
                # The statement may still run on the connection.
                connection.invalidate(error)
                raise
        if plan.columns is None:
            types = [column[1] for column in cursor.description or ()]
            plan.columns = self._processes(engine.dialect, types)
        return _converted(rows, plan.columns)
        # {% endif %}

    def _plan(self, dialect: Dialect) -> _Plan:
        plan = self._plans.get(dialect)
        if plan is None:
            plan = self._plans[dialect] = _Plan.make(self._statement, dialect)
        return plan

    def _run_in_the_open(self, engine: Engine, values: Mapping[str, object]) -> Sequence[Row]:
        # Somebody wants to see each statement, for a trace perhaps.
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            result = connection.execute(self._statement, values)
            return result.all() if result.returns_rows else ()

    def _processes(self, dialect: Dialect, types: Sequence[Any]) -> Sequence[Process]:
        columns = zip(self._statement.exported_columns.values(), types, strict=False)
        return [
            column.type.dialect_impl(dialect).result_processor(dialect, type_)
            for column, type_ in columns
        ]


def _converted(rows: Sequence[Row], columns: Sequence[Process]) -> Sequence[Row]:
    if not any(columns):
        return rows
    return [
        [
            value if process is None else process(value)
            for value, process in zip(row, columns, strict=True)
        ]
        for row in rows
    ]


def _translated(
    error: Exception, connection: PoolProxiedConnection, dialect: Dialect, sql: str
) -> StatementError:
    """Return the error as SQLAlchemy raises it, and give up a connection that is lost."""
    # {% if database_driver == "asyncpg" %}
    error = adapted(error, connection)
    # {% endif %}
    kind = dialect.loaded_dbapi.Error
    lost = isinstance(error, kind) and dialect.is_disconnect(error, connection, None)
    if lost:
        connection.invalidate(error)
    return DBAPIError.instance(
        sql, None, error, kind, hide_parameters=True, connection_invalidated=lost, dialect=dialect
    )
# {% else %}


@dataclass(slots=True)
class _Statement:
    """Runs a statement on a connection of its own."""

    statement: Select[*tuple[Any, ...]]

    async def run(self, engine: Engine, values: Mapping[str, object]) -> Sequence[Row]:
        return await greenlet_spawn(self._run, engine, values)

    def _run(self, engine: Engine, values: Mapping[str, object]) -> Sequence[Row]:
        with engine.connect() as connection:
            return connection.execute(self.statement, values).all()
# {% endif %}
