# {% if postgresql %}
"""Connections of the pools, as statements use them that are compiled once.

Such a statement runs on the driver's own connection, without the layers of SQLAlchemy between.
If an engine has listeners for statements or transactions, for a trace or behind a pooler, it runs
as any other.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
# {% if database_driver == "asyncpg" %}
from typing import Any, Self, TypeVar, cast
# {% else %}
from typing import Any, Self, TypeVar
# {% endif %}

# {% if database_driver == "asyncpg" %}
import asyncpg  # type: ignore[import-untyped]  # the driver has no types
# {% endif %}
from sqlalchemy import Dialect, Insert, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
# {% if database_driver == "asyncpg" %}
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
# {% else %}
from sqlalchemy.pool import PoolProxiedConnection
# {% endif %}
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import greenlet_spawn

# {% if database_driver == "asyncpg" %}
from ..database.driver import LOST_CONNECTION, adapted, is_outdated, is_read_only
# {% else %}
from ..database.driver import LOST_CONNECTION, is_outdated, is_read_only
# {% endif %}
from ..database.engine import Database
from ..database.errors import network_problem
from ..database.pools import PoolWatch

Row = Sequence[Any]

T = TypeVar("T")

Process = Callable[[Any], Any] | None
"""Turns a value of Python into one of the driver, or back."""


@dataclass(slots=True)
class Plan:
    """A statement for one engine: its text for the driver, and how values are converted."""

    dialect: Dialect
    compiled: SQLCompiler
    sql: str
    names: frozenset[str]
    parameters: Sequence[tuple[str, Process]]
    columns: Sequence[Process] | None = None
    """Known when the driver has returned the first rows; empty if nothing has to be converted."""

    @classmethod
    def make(cls, statement: Select[*tuple[Any, ...]] | Insert, dialect: Dialect) -> Self:
        compiled: Any = statement.compile(dialect=dialect)
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
            dialect=dialect,
            compiled=compiled,
            sql=str(compiled),
            names=frozenset(names),
            parameters=[(name, type_.bind_processor(dialect)) for name, type_ in types],
        )

    # {% if database_driver == "asyncpg" %}
    def arguments(self, values: Mapping[str, object]) -> list[object]:
        given = values if values.keys() >= self.names else self.compiled.construct_params(values)
        return [
            given[name] if process is None else process(given[name])
            for name, process in self.parameters
        ]
    # {% else %}
    def arguments(self, values: Mapping[str, object]) -> dict[str, object]:
        given = values if values.keys() >= self.names else self.compiled.construct_params(values)
        return {
            name: given[name] if process is None else process(given[name])
            for name, process in self.parameters
        }
    # {% endif %}

    def converted(self, rows: Sequence[Row]) -> Sequence[Row]:
        if not self.columns:
            return rows
        return [
            [
                value if process is None else process(value)
                for value, process in zip(row, self.columns, strict=True)
            ]
            for row in rows
        ]


class Statement:
    """A statement that is compiled once."""

    def __init__(self, sql: Select[*tuple[Any, ...]] | Insert) -> None:
        self.sql = sql
        self._plan: Plan | None = None

    def plan(self, dialect: Dialect) -> Plan:
        plan = self._plan
        if plan is None or plan.dialect is not dialect:
            plan = self._plan = Plan.make(self.sql, dialect)
        return plan

    def processes(self, dialect: Dialect, types: Sequence[Any]) -> Sequence[Process]:
        """Return how the values of the columns are converted, by the driver's types of them."""
        processes = [
            column.type.dialect_impl(dialect).result_processor(dialect, type_)
            for column, type_ in zip(self.sql.exported_columns.values(), types, strict=True)
        ]
        return processes if any(processes) else ()


class DriverConnection:
    """The driver's own connection, with the errors of SQLAlchemy's."""

    _connection: PoolProxiedConnection

    def __init__(self, engine: AsyncEngine, watch: PoolWatch) -> None:
        self._raw_connection = engine.raw_connection
        self._engine = engine.sync_engine
        self._dialect: Any = engine.dialect
        self._watch = watch

    async def __aenter__(self) -> Self:
        try:
            await self._watch.awake()
            self._connection = await self._raw_connection()
        except OSError as error:
            raise network_problem(error) from error
        except self._dialect.loaded_dbapi.Error as error:  # of the ping
            raise self._translated(error, sql=None, is_lost=False) from error
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is not None and not isinstance(exc, Exception):
            # The statement may still run.
            await greenlet_spawn(self._connection.invalidate, exc)
        # {% if database_driver == "asyncpg" %}
        if cast(QueuePool, self._engine.pool).overflow() <= 0:
            # The pool keeps it, and no transaction is open: there is nothing to wait for.
            self._connection.close()
            return
        # {% endif %}
        await greenlet_spawn(self._connection.close)

    # {% if database_driver == "asyncpg" %}
    async def fetch(self, statement: Statement, values: Mapping[str, object]) -> Sequence[Row]:
        """Return all rows."""
        plan = statement.plan(self._engine.dialect)
        driver: Any = self._connection.driver_connection
        try:
            if plan.columns is None:
                prepared = await driver.prepare(plan.sql)
                types = [column.type.oid for column in prepared.get_attributes()]
                plan.columns = statement.processes(plan.dialect, types)
            arguments = plan.arguments(values)
            rows = await driver.fetch(plan.sql, *arguments)
        except Exception as error:  # noqa: BLE001 - it is raised again, unless the second run succeeds
            rows = await self._again(error, plan.sql, lambda: driver.fetch(plan.sql, *arguments))
        return plan.converted(rows)

    async def commit(self, statement: Statement, values: Mapping[str, object]) -> None:
        """Run an INSERT, which is a transaction by itself."""
        plan = statement.plan(self._engine.dialect)
        driver: Any = self._connection.driver_connection
        try:
            arguments = plan.arguments(values)
            await driver.execute(plan.sql, *arguments)
        except Exception as error:  # noqa: BLE001 - it is raised again, unless the second run succeeds
            await self._again(error, plan.sql, lambda: driver.execute(plan.sql, *arguments))
    # {% else %}
    async def fetch(self, statement: Statement, values: Mapping[str, object]) -> Sequence[Row]:
        """Return all rows."""
        plan = statement.plan(self._engine.dialect)
        driver: Any = self._connection.driver_connection

        async def run() -> Sequence[Row]:
            cursor = await driver.execute(plan.sql, plan.arguments(values))
            rows: Sequence[Row] = await cursor.fetchall()
            if plan.columns is None:
                types = [column.type_code for column in cursor.description]
                plan.columns = statement.processes(plan.dialect, types)
            return rows

        try:
            rows = await run()
        except Exception as error:  # noqa: BLE001 - it is raised again, unless the second run succeeds
            rows = await self._again(error, plan.sql, run)
        return plan.converted(rows)

    async def commit(self, statement: Statement, values: Mapping[str, object]) -> None:
        """Run an INSERT, which is a transaction by itself."""
        plan = statement.plan(self._engine.dialect)
        driver: Any = self._connection.driver_connection
        await driver.set_autocommit(True)
        try:
            arguments = plan.arguments(values)
            await driver.execute(plan.sql, arguments)
        except Exception as error:  # noqa: BLE001 - it is raised again, unless the second run succeeds
            await self._again(error, plan.sql, lambda: driver.execute(plan.sql, arguments))
        finally:
            if not driver.closed:
                # Without this, the next transaction on this connection would stay in autocommit.
                await driver.set_autocommit(False)
    # {% endif %}

    async def _again(self, error: Exception, sql: str, run: Callable[[], Awaitable[T]]) -> T:
        """Run a statement again that was prepared before the schema was changed; or raise."""
        if is_outdated(error):
            driver: Any = self._connection.driver_connection
            try:
                # {% if database_driver == "asyncpg" %}
                await driver.reload_schema_state()
                # {% else %}
                await driver.execute("DEALLOCATE ALL")
                # {% endif %}
                return await run()
            except Exception as second:  # noqa: BLE001 - it is raised below
                error = second
        raise await self._failed(error, sql) from error

    async def _failed(self, error: Exception, sql: str) -> Exception:
        """Return the error as SQLAlchemy raises it, and give up a connection that is lost."""
        if isinstance(error, LOST_CONNECTION):
            await greenlet_spawn(self._connection.invalidate, error)
            return network_problem(error)
        # {% if database_driver == "asyncpg" %}
        if isinstance(error, asyncpg.DataError):
            # The driver may have refused a value after it has begun the statement.
            await self._connection.driver_connection.execute("SELECT 1")  # type: ignore[union-attr]  # there is one
        error = adapted(error, self._dialect)
        # {% endif %}
        is_lost = is_read_only(error) or self._dialect.is_disconnect(
            error, self._connection.dbapi_connection, None
        )
        if is_lost:
            await greenlet_spawn(self._connection.invalidate, error)
        return self._translated(error, sql=sql, is_lost=is_lost)

    def _translated(self, error: Exception, *, sql: str | None, is_lost: bool) -> Exception:
        return DBAPIError.instance(
            sql,
            None,
            error,
            self._dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=is_lost,
            dialect=self._dialect,
        )


# {% else %}
"""Connections of the pools, as statements use them that are made once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Insert, Select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..database.engine import Database
from ..database.pools import PoolWatch

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that is made once; SQLAlchemy keeps its compiled form in a cache."""

    sql: Select[*tuple[Any, ...]] | Insert


# {% endif %}
class PlainConnection:
    """A connection of SQLAlchemy."""

    _connection: AsyncConnection

    def __init__(self, engine: AsyncEngine, watch: PoolWatch) -> None:
        self._engine = engine
        self._watch = watch

    async def __aenter__(self) -> Self:
        # {% if database_driver != "aiosqlite" %}
        await self._watch.awake()
        # {% endif %}
        self._connection = await self._engine.connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Its own block would close it in a task, to protect a rollback.
        await self._connection.close()

    async def fetch(self, statement: Statement, values: Mapping[str, object]) -> Sequence[Row]:
        """Return all rows."""
        return (await self._connection.execute(statement.sql, values)).all()

    async def commit(self, statement: Statement, values: Mapping[str, object]) -> None:
        """Run an INSERT and commit it."""
        await self._connection.execute(statement.sql, values)
        await self._connection.commit()


# {% if postgresql %}
Connection = DriverConnection | PlainConnection


def reading(database: Database) -> Connection:
    """Take a connection to read with; the caller has passed the gate."""
    return _connection(database.read_engine, database.read_watch)


def writing(database: Database) -> Connection:
    """Take a connection to write with; the caller has passed the gate."""
    return _connection(database.write_engine, database.write_watch)


def _connection(engine: AsyncEngine, watch: PoolWatch) -> Connection:
    listeners = engine.sync_engine.dispatch
    is_watched = (
        listeners.before_cursor_execute or listeners.after_cursor_execute or listeners.begin
    )
    return (PlainConnection if is_watched else DriverConnection)(engine, watch)
# {% else %}
def reading(database: Database) -> PlainConnection:
    """Take a connection to read with; the caller has passed the gate."""
    return PlainConnection(database.read_engine, database.read_watch)


def writing(database: Database) -> PlainConnection:
    """Take a connection to write with; the caller has passed the gate."""
    return PlainConnection(database.write_engine, database.write_watch)
# {% endif %}
