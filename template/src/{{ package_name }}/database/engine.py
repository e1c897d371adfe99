"""The engines of a process and the sessions on them."""

import asyncio
# {% if database_driver != "aiosqlite" %}
import time
# {% endif %}
# {% if database_driver == "aiosqlite" %}
from collections.abc import AsyncIterator, Awaitable, Callable
# {% else %}
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
# {% endif %}
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

# {% if database_driver == "asyncpg" %}
from sqlalchemy import URL, Dialect, Engine, event
# {% else %}
from sqlalchemy import URL, Dialect, event
# {% endif %}
from sqlalchemy.engine.interfaces import DBAPIConnection
# {% if database_driver == "asyncpg" %}
from sqlalchemy.exc import DisconnectionError, MissingGreenlet
# {% elif database_driver != "aiosqlite" %}
from sqlalchemy.exc import DisconnectionError
# {% endif %}
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    async_sessionmaker,  # noqa: TID251 - the one place that makes them
    create_async_engine,  # noqa: TID251 - the one place that makes them
)
# {% if postgresql %}
from sqlalchemy.orm import object_mapper
# {% endif %}
# {% if database_driver == "aiosqlite" %}
from sqlalchemy.pool import ConnectionPoolEntry
# {% else %}
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
# {% endif %}
from sqlalchemy.util import await_only
# {% if database_driver == "asyncpg" %}
from sqlalchemy.util.concurrency import in_greenlet
# {% endif %}

# {% if orjson %}
from ..serialization import dumps, loads
# {% endif %}
from .base import Entity
# {% if database_driver == "aiosqlite" %}
from .driver import configure, engine_options
# {% elif database_driver == "psycopg" %}
from .driver import engine_options, is_lost
# {% elif database_driver == "asyncpg" %}
from .driver import configure, engine_options, is_lost, keeps_all
# {% else %}
from .driver import configure, engine_options, is_lost
# {% endif %}
from .errors import DatabaseUnavailable
from .gate import Gate
from .greenlets import greenlet_spawn, use_in_sessions
from .retries import repeating
from .session import Reading, ReadSession, Transaction, WriteSession

if TYPE_CHECKING:
    from ..settings import Settings
# {% if database_driver != "aiosqlite" %}

PING_AFTER_SECONDS = 0.1
"""A connection that was idle for longer is tried before a request gets it."""

PING_SECONDS = 1.0
"""How long a connection may take to show that it is alive, before it is replaced."""
# {% endif %}

HANG_UP_SECONDS = 0.1
"""What a driver that was cancelled has to take leave of the server."""

E = TypeVar("E", bound=Entity)
T = TypeVar("T")


def create_engine(
    url: URL, settings: "Settings", *, read_only: bool = False, pool_size: int | None = None
) -> AsyncEngine:
    """Make an engine with its pool; ``pool_size`` fixes the size, for a use apart."""
    engine = create_async_engine(
        url,
        pool_size=pool_size or settings.database_pool_size,
        max_overflow=0 if pool_size else settings.database_max_overflow,
        pool_timeout=settings.database_pool_timeout,
        pool_recycle=settings.database_pool_recycle,
        pool_use_lifo=True,
        # An error is logged with its statement; the values in it are the users' own.
        hide_parameters=True,
        # {% if orjson %}
        json_serializer=lambda value: dumps(value).decode(),
        json_deserializer=loads,
        # {% endif %}
        **engine_options(settings, read_only=read_only),
    )
    _bound_connecting(engine, seconds=settings.database_pool_timeout)
    # {% if database_driver == "asyncpg" %}
    configure(engine)
    # {% elif database_driver != "psycopg" %}
    configure(engine, settings, read_only=read_only)
    # {% endif %}
    # {% if database_driver != "aiosqlite" %}
    event.listen(engine.sync_engine, "checkout", _check)
    event.listen(engine.sync_engine, "checkin", _note_use)
    # {% endif %}
    return engine


def _bound_connecting(engine: AsyncEngine, *, seconds: float) -> None:
    @event.listens_for(engine.sync_engine, "do_connect")
    def connect(
        dialect: Dialect,
        _record: ConnectionPoolEntry,
        arguments: tuple[Any, ...],
        options: dict[str, Any],
    ) -> DBAPIConnection:
        # It may be an error of the socket, of TLS, of the driver or of the server.
        try:
            return await_only(_within(seconds, lambda: dialect.connect(*arguments, **options)))
        # {% if database_driver == "asyncpg" %}
        except MissingGreenlet:
            raise
        # {% endif %}
        except Exception as error:
            raise DatabaseUnavailable from error
# {% if database_driver != "aiosqlite" %}


def _check(
    connection: DBAPIConnection, record: ConnectionPoolEntry, _fairy: PoolProxiedConnection
) -> None:
    # A ping costs as much as a statement, so a connection that was in use a moment ago gets none.
    # The pool replaces a connection for which this raises.
    if is_lost(connection):
        raise DisconnectionError
    # {% if database_driver == "asyncpg" %}
    if in_greenlet() and _is_rested(record.info):
    # {% else %}
    if _is_rested(record.info):
    # {% endif %}
        try:
            await_only(_within(PING_SECONDS, connection.ping))
        except Exception as error:
            raise DisconnectionError from error


def _is_rested(info: Mapping[str, Any]) -> bool:
    now = time.monotonic()
    return bool(now - info.get("last_use", now) > PING_AFTER_SECONDS)


def _note_use(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info["last_use"] = time.monotonic()
# {% endif %}


async def _within(seconds: float, function: Callable[[], T]) -> T:
    # Where a network drops packets, a driver waits for longer than any client does. When it is
    # cancelled, it may ask the server to stop, and wait; cancelled again, it hangs up.
    async with asyncio.timeout(seconds + HANG_UP_SECONDS), asyncio.timeout(seconds):
        return await greenlet_spawn(function)
# {% if database_driver == "asyncpg" %}


async def check_out(engine: Engine) -> PoolProxiedConnection:
    """Take a connection for a statement by itself, which the driver commits.

    The pool waits in a greenlet, which costs more than all else that it does. It mostly has a
    connection at hand, so that there is nothing to wait for.
    """
    try:
        connection = engine.raw_connection()
    except MissingGreenlet:
        return await greenlet_spawn(engine.raw_connection)
    if not _is_rested(connection.info):
        return connection
    try:
        adapter: Any = connection.dbapi_connection
        await _within(PING_SECONDS, adapter.ping)
    except BaseException as error:
        connection.invalidate(error)
        if not isinstance(error, Exception):
            raise
        return await greenlet_spawn(engine.raw_connection)
    return connection


async def check_in(engine: Engine, connection: PoolProxiedConnection) -> None:
    """Give a connection back that was taken by ``check_out``."""
    if keeps_all(engine):
        connection.close()
    else:
        # To close it takes leave of the server.
        await greenlet_spawn(connection.close)
# {% endif %}


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One pool to read with, one to write with, and the gates before them."""

    read_engine: AsyncEngine
    write_engine: AsyncEngine
    read_gate: Gate
    write_gate: Gate
    read_sessions: async_sessionmaker[ReadSession]
    write_sessions: async_sessionmaker[WriteSession]

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: "Settings") -> AsyncIterator[Self]:
        """Make the engines; connections are made when they are first needed."""
        use_in_sessions()
        async with AsyncExitStack() as stack:
            url = settings.database_url
            write_engine = create_engine(url, settings)
            stack.push_async_callback(write_engine.dispose)
            read_url = settings.database_read_url or url
            read_engine = create_engine(read_url, settings, read_only=True)
            stack.push_async_callback(read_engine.dispose)
            yield cls(
                read_engine=read_engine,
                write_engine=write_engine,
                read_gate=_gate(settings),
                write_gate=_gate(settings),
                read_sessions=async_sessionmaker(
                    read_engine, class_=ReadSession, autoflush=False, expire_on_commit=False
                ),
                write_sessions=async_sessionmaker(
                    write_engine, class_=WriteSession, autoflush=False, expire_on_commit=False
                ),
            )

    def read(self) -> Reading:
        """Open a session to read with.

        Raises:
            Overloaded: no connection was free in time.
        """
        return Reading(self.read_sessions(), self.read_gate)

    def write(self) -> Transaction:
        """Open a session in a transaction: committed at the end, rolled back on an error.

        Raises:
            Overloaded: no connection was free in time.
        """
        return Transaction(self.write_sessions(), self.write_gate)

    # {% if postgresql %}
    async def add(self, entity: E) -> E:
        """Insert an entity that is one row, and return it.

        The INSERT commits itself, in one round trip, at the isolation level that is the default of
        the database. What listens to sessions and writes more does so by itself.

        Raises:
            ValueError: it has related rows or is stored in several tables.
            Overloaded: no connection was free in time.
            sqlalchemy.exc.IntegrityError: a constraint does not hold.
        """
        require_one_row(entity)
        alone = {"isolation_level": "AUTOCOMMIT"}
        async with Transaction(self.write_sessions(), self.write_gate, options=alone) as session:
            session.add(entity)
        return entity

    # {% else %}
    async def add(self, entity: E) -> E:
        """Insert an entity in a transaction of its own, and return it.

        Raises:
            Overloaded: no connection was free in time.
            sqlalchemy.exc.IntegrityError: a constraint does not hold.
        """
        async with self.write() as session:
            session.add(entity)
        return entity

    # {% endif %}
    async def transaction(self, work: Callable[[WriteSession], Awaitable[T]]) -> T:
        """Run the work in a transaction of its own, and again when another one got in its way.

        Each attempt has a session of its own; what the work does besides, it does again.

        Raises:
            Overloaded: no connection was free in time.
        """

        async def attempt() -> T:
            async with self.write() as session:
                return await work(session)

        return await repeating(attempt)


# {% if postgresql %}
def require_one_row(entity: Entity) -> None:
    """Raise ValueError if a session would run more than an INSERT to add it."""
    mapper = object_mapper(entity)
    has_related = not vars(entity).keys().isdisjoint(mapper.relationships.keys())
    if has_related or len(mapper.tables) > 1:
        message = f"this {type(entity).__name__} is more than a row: add it to a WriteSession"
        raise ValueError(message)


# {% endif %}
def _gate(settings: "Settings") -> Gate:
    connections = settings.database_pool_size + settings.database_max_overflow
    return Gate(permits=connections, timeout=settings.database_pool_timeout)
