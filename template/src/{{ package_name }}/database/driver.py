"""What is particular to {{ driver.name }}; the rest of the service asks here for the meaning."""

# {% if database_driver == "aiosqlite" %}
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
# {% elif database_driver == "asyncmy" %}
import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import asyncmy
from sqlalchemy import URL, AdaptedConnection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
# {% elif database_driver == "asyncpg" %}
import asyncio
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import URL, AdaptedConnection, Connection, Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool
# {% else %}
from collections.abc import Iterator
from contextlib import contextmanager
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import PoolProxiedConnection
# {% endif %}

from .faults import Fault

if TYPE_CHECKING:
    from ..settings import Settings

DRIVER_NAME = "{{ driver.url_scheme }}"
EXAMPLE_URL = "{{ driver.example_url }}"
# {% if postgresql %}

MAX_CONNECTIONS = "SHOW max_connections"
"""Asks the server for its limit."""

MIGRATION_SETTINGS = ("SET lock_timeout = '5s'", "SET statement_timeout = 0")
"""A migration may run long, but must not hold up the service while it waits for a lock."""

_FAULTS = {
    "23505": Fault.DUPLICATE,
    "57014": Fault.STATEMENT_TIMEOUT,
    "55P03": Fault.LOCK_TIMEOUT,
    "40P01": Fault.DEADLOCK,
    "40001": Fault.SERIALIZATION,
    "57P01": Fault.DISCONNECTED,
    "57P02": Fault.DISCONNECTED,
    "57P03": Fault.DISCONNECTED,
}
_FAULT_CLASSES = {
    "08": Fault.DISCONNECTED,
    "22": Fault.BAD_VALUE,
    "23": Fault.INTEGRITY,
    "53": Fault.EXHAUSTED,
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
# {% elif database_driver == "asyncmy" %}

MAX_CONNECTIONS = "SELECT @@max_connections"
"""Asks the server for its limit."""

MIGRATION_SETTINGS = ("SET SESSION lock_wait_timeout = 5",)
"""A migration must not hold up the service while it waits for a lock."""

_FAULTS = {
    1062: Fault.DUPLICATE,
    1048: Fault.INTEGRITY,
    1364: Fault.INTEGRITY,
    1451: Fault.INTEGRITY,
    1452: Fault.INTEGRITY,
    3819: Fault.INTEGRITY,
    4025: Fault.INTEGRITY,
    1264: Fault.BAD_VALUE,
    1366: Fault.BAD_VALUE,
    1406: Fault.BAD_VALUE,
    1969: Fault.STATEMENT_TIMEOUT,
    3024: Fault.STATEMENT_TIMEOUT,
    1205: Fault.LOCK_TIMEOUT,
    1213: Fault.DEADLOCK,
    1020: Fault.SERIALIZATION,
    1021: Fault.EXHAUSTED,
    1041: Fault.EXHAUSTED,
    1114: Fault.EXHAUSTED,
    1040: Fault.DISCONNECTED,
    1053: Fault.DISCONNECTED,
    1203: Fault.DISCONNECTED,
    1927: Fault.DISCONNECTED,
    2003: Fault.DISCONNECTED,
    2006: Fault.DISCONNECTED,
    2013: Fault.DISCONNECTED,
    4031: Fault.DISCONNECTED,
}
# https://mariadb.com/docs/server/reference/error-codes and
# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html

KILL_SECONDS = 1.0
"""How long stopping a statement may take; the server is asked on a connection of its own."""
# {% else %}

MIGRATION_SETTINGS = ("PRAGMA busy_timeout = 5000",)
"""A migration waits up to 5 s for a writer of the service."""

_FAULTS = {
    "SQLITE_CONSTRAINT_UNIQUE": Fault.DUPLICATE,
    "SQLITE_CONSTRAINT_PRIMARYKEY": Fault.DUPLICATE,
    "SQLITE_INTERRUPT": Fault.STATEMENT_TIMEOUT,
    "SQLITE_BUSY": Fault.LOCK_TIMEOUT,
    "SQLITE_BUSY_SNAPSHOT": Fault.SERIALIZATION,
    "SQLITE_LOCKED": Fault.LOCK_TIMEOUT,
    "SQLITE_TOOBIG": Fault.BAD_VALUE,
    "SQLITE_CANTOPEN": Fault.DISCONNECTED,
    "SQLITE_FULL": Fault.EXHAUSTED,
}
_FAULT_FAMILIES = {
    "SQLITE_CONSTRAINT": Fault.INTEGRITY,
    "SQLITE_IOERR": Fault.DISCONNECTED,
}
# https://www.sqlite.org/rescode.html

_PROGRESS_STEPS = 10_000
"""Virtual machine steps between two looks at the clock, well under a millisecond."""
# {% endif %}


def parse_database_url(value: object) -> URL:
    """Read the URL of a database for {{ driver.name }}.

    Raises:
        ValueError: it is not such a URL.
    """
    message = f"must be a URL such as {EXAMPLE_URL}"
    try:
        url = make_url(value)  # type: ignore[arg-type]  # any object may be tried
    except (ArgumentError, TypeError, ValueError):
        raise ValueError(message) from None
    # {% if database_driver == "aiosqlite" %}
    if url.get_backend_name() != "sqlite":
        raise ValueError(message)
    if url.database in (None, "", ":memory:"):
        message = f"must name a file, such as {EXAMPLE_URL}; memory is not shared by connections"
        raise ValueError(message)
    # {% elif postgresql %}
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(message)
    # {% else %}
    if url.get_backend_name() not in ("mysql", "mariadb"):
        raise ValueError(message)
    # {% endif %}
    return url.set(drivername=DRIVER_NAME)
# {% if database_driver == "asyncpg" %}


def engine_options(settings: "Settings", *, read_only: bool) -> dict[str, Any]:
    """Return the arguments of ``create_async_engine`` that differ between drivers."""
    server_settings = {
        "application_name": "{{ package_name }}",
        "timezone": "UTC",
        "statement_timeout": f"{settings.statement_timeout * 1000:.0f}",
        "lock_timeout": f"{settings.lock_timeout * 1000:.0f}",
        "default_transaction_read_only": "on" if read_only else "off",
    }
    connect_args = {
        "timeout": settings.database_pool_timeout,
        # The server stops a statement first; this is for a server that no longer answers.
        "command_timeout": settings.statement_timeout + 1,
        "server_settings": server_settings,
    }
    return {"connect_args": connect_args} | ({"isolation_level": "AUTOCOMMIT"} if read_only else {})


def configure(engine: AsyncEngine) -> None:
    """Hang up where nobody listens: a polite end waits for the server."""

    @event.listens_for(engine.sync_engine, "invalidate")
    def hang_up(
        connection: AdaptedConnection, _record: ConnectionPoolEntry, error: BaseException | None
    ) -> None:
        # After a cancellation the end must be polite, so that the statement is stopped.
        if not isinstance(error, asyncio.CancelledError):
            connection.driver_connection.terminate()


def is_lost(connection: DBAPIConnection) -> bool:
    """Say whether the driver knows that the server has closed the connection."""
    return bool(connection.driver_connection.is_closed())


def keeps_all(engine: Engine) -> bool:
    """Say whether the pool keeps each connection that it gets back, and closes none."""
    return cast(QueuePool, engine.pool).overflow() <= 0


def returns_at_once(connection: Connection) -> bool:
    """Say whether the connection goes back to its pool without a round trip."""
    if connection.invalidated:
        return False
    driver: Any = connection.connection.driver_connection
    return keeps_all(connection.engine) and not driver.is_in_transaction()


def adapted(error: Exception, connection: PoolProxiedConnection) -> Exception:
    """Return an error of the driver's own connection as its cursors raise it."""
    adapter: Any = connection.dbapi_connection
    try:
        adapter._handle_exception(error)  # noqa: SLF001 - nothing public tells it
    except Exception as other:  # noqa: BLE001 - this is what was asked for
        error = other
    return error


def fault_of(error: DBAPIError) -> Fault:
    """Say what an error of the driver means."""
    if error.connection_invalidated:
        return Fault.DISCONNECTED
    state = getattr(error.orig, "sqlstate", None) or ""
    return _FAULTS.get(state) or _FAULT_CLASSES.get(state[:2], Fault.OTHER)
# {% elif database_driver == "psycopg" %}


def engine_options(settings: "Settings", *, read_only: bool) -> dict[str, Any]:
    """Return the arguments of ``create_async_engine`` that differ between drivers."""
    server_settings = {
        "timezone": "UTC",
        "statement_timeout": f"{settings.statement_timeout * 1000:.0f}",
        "lock_timeout": f"{settings.lock_timeout * 1000:.0f}",
        "default_transaction_read_only": "on" if read_only else "off",
    }
    connect_args = {
        "application_name": "{{ package_name }}",
        "connect_timeout": max(1, round(settings.database_pool_timeout)),
        # The server stops a statement first; this is for a server that no longer answers.
        "tcp_user_timeout": round((settings.statement_timeout + 1) * 1000),
        "options": " ".join(f"-c {name}={value}" for name, value in server_settings.items()),
    }
    return {"connect_args": connect_args} | ({"isolation_level": "AUTOCOMMIT"} if read_only else {})


def is_lost(connection: DBAPIConnection) -> bool:
    """Say whether the server has closed the connection.

    An idle connection has nothing to read until then.
    """
    with DefaultSelector() as readable:
        readable.register(connection.driver_connection.fileno(), EVENT_READ)
        return bool(readable.select(0))


@contextmanager
def check_out(engine: Engine) -> Iterator[PoolProxiedConnection]:
    """Take a connection for a statement by itself, which is a transaction then."""
    with engine.connect() as connection:
        if not connection.connection.autocommit:
            connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection.connection


def fault_of(error: DBAPIError) -> Fault:
    """Say what an error of the driver means."""
    if error.connection_invalidated:
        return Fault.DISCONNECTED
    state = getattr(error.orig, "sqlstate", None) or ""
    return _FAULTS.get(state) or _FAULT_CLASSES.get(state[:2], Fault.OTHER)
# {% elif database_driver == "asyncmy" %}


def engine_options(settings: "Settings", *, read_only: bool) -> dict[str, Any]:
    """Return the arguments of ``create_async_engine`` that differ between drivers."""
    # MariaDB and MySQL each skip the comment meant for the other. The server's unit for a
    # lock wait is a whole second.
    session_settings = (
        "SET SESSION time_zone = '+00:00'"
        ", sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY'"
        f", innodb_lock_wait_timeout = {math.ceil(settings.lock_timeout)}"
        f" /*M!100101 , max_statement_time = {settings.statement_timeout}"
        f", tx_read_only = {int(read_only)} */"
        f" /*!50720 , max_execution_time = {settings.statement_timeout * 1000:.0f}"
        f", transaction_read_only = {int(read_only)} */"
    )
    connect_args = {
        "charset": "utf8mb4",
        "program_name": "{{ package_name }}",
        "connect_timeout": settings.database_pool_timeout,
        # The server stops a statement first; this is for a server that no longer answers.
        "read_timeout": settings.statement_timeout + 1,
        "init_command": session_settings,
    }
    isolation_level = "AUTOCOMMIT" if read_only else "READ COMMITTED"
    return {
        "connect_args": connect_args,
        "isolation_level": isolation_level,
        # Or each read would be followed by two more round trips.
        "skip_autocommit_rollback": read_only,
    }


def is_lost(connection: DBAPIConnection) -> bool:
    """Say whether the driver knows that the server has closed the connection."""
    return bool(connection.driver_connection._stream_broken)  # noqa: SLF001 - nothing public tells it


def configure(engine: AsyncEngine, settings: "Settings", *, read_only: bool) -> None:
    """Stop the statement of a cancelled request on the server, which would not notice."""
    options = engine_options(settings, read_only=read_only)["connect_args"]
    _, arguments = engine.dialect.create_connect_args(engine.url)

    async def kill(thread_id: int) -> None:
        # A server that cannot be reached has lost the statement anyway.
        with suppress(Exception):
            async with (
                asyncio.timeout(KILL_SECONDS),
                asyncmy.connect(**arguments, **options) as connection,
            ):
                await connection.kill(thread_id)  # type: ignore[no-untyped-call]  # the driver has no types

    @event.listens_for(engine.sync_engine, "invalidate")
    def stop(
        connection: AdaptedConnection, _record: ConnectionPoolEntry, error: BaseException | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            connection.run_async(lambda raw: kill(raw.thread_id()))


def fault_of(error: DBAPIError) -> Fault:
    """Say what an error of the driver means."""
    if error.connection_invalidated:
        return Fault.DISCONNECTED
    number = error.orig.args[0] if error.orig and error.orig.args else 0
    return _FAULTS.get(number, Fault.OTHER)
# {% else %}


def engine_options(settings: "Settings", *, read_only: bool) -> dict[str, Any]:
    """Return the arguments of ``create_async_engine`` that differ between drivers."""
    connect_args = {"timeout": settings.lock_timeout}
    return {"connect_args": connect_args} | ({"isolation_level": "AUTOCOMMIT"} if read_only else {})


def configure(engine: AsyncEngine, settings: "Settings", *, read_only: bool) -> None:
    """Set up each connection of the engine, since SQLite has no settings of a server.

    WAL lets readers go on while one writes. A writer takes the lock when its transaction
    begins, because SQLite refuses at once to turn a read lock into a write lock when another
    writer came first, however long the timeout is.
    """
    sync_engine = engine.sync_engine

    @event.listens_for(sync_engine, "connect")
    def set_up(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        deadline: list[float] = record.info.setdefault("deadline", [float("inf")])

        def is_late() -> bool:
            return time.monotonic() > deadline[0]

        connection.run_async(lambda raw: raw.set_progress_handler(is_late, _PROGRESS_STEPS))
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(sync_engine, "before_cursor_execute")
    def start_clock(connection: Connection, *_: object) -> None:
        connection.info["deadline"][0] = time.monotonic() + settings.statement_timeout

    if not read_only:

        @event.listens_for(sync_engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(sync_engine, "invalidate")
    def stop(connection: DBAPIConnection, record: ConnectionPoolEntry, _error: object) -> None:
        # The thread of a cancelled request would go on, and closing alone would leave the lock to
        # whatever still refers to its cursor.
        record.info["deadline"][0] = 0
        connection.rollback()


def fault_of(error: DBAPIError) -> Fault:
    """Say what an error of the driver means."""
    name = getattr(error.orig, "sqlite_errorname", "")
    family = "_".join(name.split("_")[:2])
    return _FAULTS.get(name) or _FAULT_FAMILIES.get(family, Fault.OTHER)
# {% endif %}
