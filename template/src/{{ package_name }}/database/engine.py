"""The engines of a process and the sessions on them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import structlog
from sqlalchemy import URL, Dialect, ExceptionContext, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,  # noqa: TID251 - the one place that makes them
    create_async_engine,  # noqa: TID251 - the one place that makes them
)
from sqlalchemy.pool import ConnectionPoolEntry

from ..settings import Settings
# {% if orjson %}
from ..web.serialization import dumps, loads
# {% endif %}
# {% if database_driver == "aiosqlite" %}
from .driver import LOST_CONNECTION, configure, engine_options
# {% else %}
from .driver import LOST_CONNECTION, configure, engine_options, is_read_only
# {% endif %}
from .errors import DatabaseUnavailable, network_problem
from .gate import Gate
from .pools import PoolWatch
from .retries import repeating
from .session import ReadSession, WriteSession

SessionT = TypeVar("SessionT", bound=AsyncSession)
T = TypeVar("T")

log = structlog.get_logger()


def create_engine(
    url: URL, settings: Settings, *, read_only: bool = False, pool_size: int | None = None
) -> AsyncEngine:
    """Make an engine with its pool; ``pool_size`` replaces the size of the settings."""
    engine = create_async_engine(
        url,
        pool_size=pool_size or settings.database_pool_size,
        max_overflow=0 if pool_size else settings.database_max_overflow,
        pool_timeout=settings.database_pool_timeout,
        pool_recycle=settings.database_pool_recycle,
        pool_pre_ping=True,
        pool_use_lifo=True,
        # An error is logged with its statement, but without its values, which belong to the users.
        hide_parameters=True,
        # {% if orjson %}
        json_serializer=lambda value: dumps(value).decode(),
        json_deserializer=loads,
        # {% endif %}
        # {% if database_driver == "psycopg" %}
        **engine_options(url, settings, read_only=read_only),
        # {% else %}
        **engine_options(settings, read_only=read_only),
        # {% endif %}
    )
    event.listen(engine.sync_engine, "do_connect", _connect)
    event.listen(engine.sync_engine, "handle_error", _translate_network_error)
    # {% if database_driver != "aiosqlite" %}
    if not read_only:
        event.listen(engine.sync_engine, "handle_error", _leave_read_only_server)
    # {% endif %}
    configure(engine, settings, read_only=read_only)
    return engine


def _connect(
    dialect: Dialect,
    _entry: ConnectionPoolEntry,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> DBAPIConnection:
    try:
        return dialect.connect(*arguments, **options)
    except Exception as error:  # of the socket, of TLS, of the driver or of the server
        # The message of a driver may contain the address or the user of the database.
        log.warning("no connection to the database", error=type(error).__name__)
        raise DatabaseUnavailable from error


def _translate_network_error(context: ExceptionContext) -> None:
    # Drivers do not wrap errors of the network. The connection cannot be used after one.
    # {% if database_driver == "asyncpg" %}
    error = context.original_exception
    for cause in (error, error.__cause__):
        if isinstance(cause, LOST_CONNECTION):
            context.is_disconnect = True
            if not context.is_pre_ping:
                raise network_problem(cause) from error
    # {% else %}
    error = context.original_exception
    if isinstance(error, LOST_CONNECTION):
        context.is_disconnect = True
        raise network_problem(error) from error
    # {% endif %}


# {% if database_driver != "aiosqlite" %}
def _leave_read_only_server(context: ExceptionContext) -> None:
    # Another server has become the primary, or will. New connections find it.
    if is_read_only(context.original_exception):
        context.is_disconnect = True


# {% endif %}
@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The read engine, the write engine, and a gate in front of the pool of each."""

    read_engine: AsyncEngine
    write_engine: AsyncEngine
    read_gate: Gate
    write_gate: Gate
    read_watch: PoolWatch
    write_watch: PoolWatch
    read_sessions: async_sessionmaker[ReadSession]
    write_sessions: async_sessionmaker[WriteSession]

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """Make the engines; connections are made when they are first needed."""
        connections = settings.database_pool_size + settings.database_max_overflow
        timeout = settings.database_pool_timeout
        async with AsyncExitStack() as stack:
            write_engine = create_engine(settings.database_url, settings)
            stack.push_async_callback(write_engine.dispose)
            read_url = settings.database_read_url or settings.database_url
            read_engine = create_engine(read_url, settings, read_only=True)
            stack.push_async_callback(read_engine.dispose)
            yield cls(
                read_engine=read_engine,
                write_engine=write_engine,
                read_gate=Gate(permits=connections, timeout=timeout),
                write_gate=Gate(permits=connections, timeout=timeout),
                read_watch=PoolWatch(read_engine, settings),
                write_watch=PoolWatch(write_engine, settings),
                read_sessions=_sessions(read_engine, ReadSession),
                write_sessions=_sessions(write_engine, WriteSession),
            )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a read session.

        Raises:
            Overloaded: no connection of the pool was free in time.
            DatabaseUnavailable: no connection could be made in time.
            TypeError: something was added, changed or deleted.
        """
        async with self.read_gate:
            # {% if database_driver != "aiosqlite" %}
            await self.read_watch.awake()
            # {% endif %}
            session = self.read_sessions()
            try:
                yield session
                # Changes would be lost silently: flush() refuses them. Without changes it sends
                # nothing, so that it need not be awaited.
                session.sync_session.flush()
            finally:
                # The session's own block closes it in a task, to protect a rollback of changes.
                await session.close()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """Open a session with a transaction: committed at the end, rolled back on an exception.

        It raises the same as ``read``, except for the TypeError.
        """
        # {% if database_driver != "aiosqlite" %}
        async with self.write_gate:
            await self.write_watch.awake()
            async with self.write_sessions.begin() as session:
                yield session
        # {% else %}
        async with self.write_gate, self.write_sessions.begin() as session:
            yield session
        # {% endif %}

    async def transaction(self, work: Callable[[WriteSession], Awaitable[T]]) -> T:
        """Run the work in a transaction, and again after a deadlock or a serialization failure.

        Each attempt has a new session; all other effects of the work are repeated. It raises the
        same as ``write``.
        """

        async def attempt() -> T:
            async with self.write() as session:
                return await work(session)

        return await repeating(attempt)


def _sessions(engine: AsyncEngine, session_class: type[SessionT]) -> async_sessionmaker[SessionT]:
    return async_sessionmaker(
        engine,
        class_=session_class,
        autoflush=False,
        expire_on_commit=False,
        # A session that is used after its request says so, instead of taking a connection that
        # nobody gives back.
        close_resets_only=False,
    )
