"""All that is specific to {{ driver.name }}; other modules do not depend on the driver."""

# {% if database_driver == "aiosqlite" %}
import sqlite3
import time
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
# {% elif database_driver == "asyncmy" %}
import asyncio
import math
import re
from contextlib import suppress
from typing import Any

import asyncmy
from sqlalchemy import AdaptedConnection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
# {% elif database_driver == "asyncpg" %}
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # the driver has no types
# {% if fast_paths %}
from sqlalchemy import Dialect, ExceptionContext, event
# {% else %}
from sqlalchemy import ExceptionContext, event
# {% endif %}
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
# {% else %}
from typing import Any

import psycopg
from sqlalchemy import URL, ExceptionContext, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
# {% endif %}

from ..settings import Settings
from .faults import Fault
# {% if postgresql %}
from .pooler import begin_transactions, session_settings
# {% endif %}

# {% if database_driver == "asyncpg" %}
LOST_CONNECTION = (OSError, asyncpg.InternalClientError)
"""What a driver lets pass as it is; asyncpg gets confused when the end comes before an answer."""
# {% else %}
LOST_CONNECTION = OSError
"""What a driver lets pass as it is."""
# {% endif %}
# {% if postgresql %}

MAX_CONNECTIONS = (
    "SELECT current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int"
)
"""Asks the server for its limit."""

TAKES_NO_CHANGES = "SELECT current_setting('transaction_read_only') = 'on'"
"""Asks the server whether it is a standby, or was made read-only."""

# {% if database_driver == "asyncpg" %}
NOTHING_PREPARED: dict[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    # Without a name, a statement is gone from the server with the next one.
    "prepared_statement_name_func": lambda: "",
}
# {% else %}
NOTHING_PREPARED: dict[str, Any] = {"prepare_threshold": None}
# {% endif %}
"""Arguments of connections that leave no prepared statement on the server."""

MIGRATION_LOCK = (
    "SELECT pg_try_advisory_xact_lock(hashtext('alembic'))"
    " FROM set_config('idle_in_transaction_session_timeout', '0', true)"
)
"""Asks whether this is the only one that migrates, for as long as the transaction is open."""

MIGRATION_SETTINGS = ("SET LOCAL lock_timeout = '5s'", "SET LOCAL statement_timeout = 0")
"""Migrations may take long, but give up a lock soon: requests queue behind one that waits."""

_FAULTS = {
    "23503": Fault.REFERENCE,
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


def is_read_only(error: object) -> bool:
    """Say whether the server refuses all changes."""
    return getattr(error, "sqlstate", None) == "25006"
# {% elif database_driver == "asyncmy" %}

MAX_CONNECTIONS = "SELECT @@max_connections"
"""Asks the server for its limit."""

TAKES_NO_CHANGES = "SELECT @@global.read_only"
"""Asks the server whether it is a replica, or was made read-only."""

MIGRATION_SETTINGS = (
    "SELECT GET_LOCK(SHA1(CONCAT('alembic ', DATABASE())), 3600)",
    "SET SESSION lock_wait_timeout = 5",
)
"""One migration runs at a time, and gives up a lock soon: requests queue behind one that waits."""

_FAULTS = {
    1062: Fault.DUPLICATE,
    1048: Fault.INTEGRITY,
    1364: Fault.INTEGRITY,
    1451: Fault.REFERENCE,
    1452: Fault.REFERENCE,
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

# The last name between quotes in messages such as "Duplicate entry '...' for key 'uq_users_email'":
# before it may stand a value that looks like one.
_PLACE = re.compile(r"(?:for key|[Cc]olumn|Field|CONSTRAINT) ['`](?:\w+`?\.`?)*(\w+)['`]")

KILL_SECONDS = 1.0
"""How long stopping a statement may take; the server is asked on a connection of its own."""
# {% else %}

MIGRATION_SETTINGS = ("PRAGMA busy_timeout = 60000", "BEGIN IMMEDIATE")
"""Migrations wait up to a minute for others that run, or for a writer of the service."""

_FAULTS = {
    "SQLITE_CONSTRAINT_UNIQUE": Fault.DUPLICATE,
    "SQLITE_CONSTRAINT_PRIMARYKEY": Fault.DUPLICATE,
    "SQLITE_CONSTRAINT_FOREIGNKEY": Fault.REFERENCE,
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
# {% if database_driver == "asyncpg" %}


def engine_options(settings: Settings, *, read_only: bool) -> dict[str, Any]:
    """Return the arguments of ``create_async_engine`` that differ between drivers."""
    connect_args: dict[str, Any] = {
        "timeout": settings.database_pool_timeout,
        # The server stops a statement first; this is for a server that no longer answers.
        "command_timeout": settings.statement_timeout + 1,
    }
    if settings.database_pooler == "transaction":
        return {"connect_args": connect_args | NOTHING_PREPARED}
    server_settings = session_settings(settings)
    if read_only:
        server_settings["default_transaction_read_only"] = "on"
    connect_args["server_settings"] = server_settings
    return {"connect_args": connect_args} | ({"isolation_level": "AUTOCOMMIT"} if read_only else {})


def configure(engine: AsyncEngine, settings: Settings, *, read_only: bool) -> None:
    """Keep idle connections in autocommit: in a transaction, a ping takes three round trips."""
    if settings.database_pooler == "transaction":
        begin_transactions(engine, settings, read_only=read_only)
        return
    if read_only:
        event.listen(engine.sync_engine, "handle_error", _end_statement)
        return

    @event.listens_for(engine.sync_engine, "checkin")
    def rest(connection: DBAPIConnection | None, _record: ConnectionPoolEntry) -> None:
        if connection is not None:  # or it was lost
            connection.autocommit = True

    @event.listens_for(engine.sync_engine, "checkout")
    def wake(connection: DBAPIConnection, *_: object) -> None:
        connection.autocommit = False


def _end_statement(context: ExceptionContext) -> None:
    # asyncpg refuses a value after it has begun the statement. Without a ROLLBACK the server would
    # wait for the rest of it, with its locks held.
    state = getattr(context.original_exception, "sqlstate", None) or ""
    if _FAULT_CLASSES.get(state[:2]) is Fault.BAD_VALUE and context.connection is not None:
        connection: Any = context.connection.connection.dbapi_connection
        connection.run_async(lambda raw: raw.execute("SELECT 1"))


def is_outdated(error: object) -> bool:
    """Say whether a prepared statement is refused because the schema has changed since."""
    lookup_failed = isinstance(error, asyncpg.InternalServerError) and "lookup" in str(error)
    return lookup_failed or isinstance(error, asyncpg.InvalidCachedStatementError)


def fault_of(error: DBAPIError) -> Fault:
    """Say what an error of the driver means."""
    if error.connection_invalidated:
        return Fault.READ_ONLY if is_read_only(error.orig) else Fault.DISCONNECTED
    if is_outdated(_driver_error(error)):
        return Fault.OUTDATED
    state = getattr(error.orig, "sqlstate", None) or ""
    return _FAULTS.get(state) or _FAULT_CLASSES.get(state[:2], Fault.OTHER)


def _driver_error(error: DBAPIError) -> object:
    # SQLAlchemy's driver_exception fails for one of the errors that it makes itself.
    return getattr(error.orig, "__cause__", None)


def place_of(error: DBAPIError) -> dict[str, str]:
    """Return the names of the table, column and constraint in an error, without values."""
    names = ("table_name", "column_name", "constraint_name")
    found = {name: getattr(_driver_error(error), name, None) for name in names}
    return {name: value for name, value in found.items() if value}
# {% if fast_paths %}


_KINDS = (
    (asyncpg.IntegrityConstraintViolationError, "IntegrityError"),
    (asyncpg.SyntaxOrAccessError, "ProgrammingError"),
    (asyncpg.InternalServerError, "InternalError"),
    (asyncpg.PostgresError, "Error"),
    (asyncpg.InterfaceError, "InterfaceError"),
)


def adapted(error: Exception, dialect: Dialect) -> Exception:
    """Return an error of the driver in the form in which SQLAlchemy's adapter raises it."""
    for kind, name in _KINDS:
        if isinstance(error, kind):
            adapter: Any = getattr(dialect.loaded_dbapi, name)
            adapted_error: Exception = adapter(error.args[0], error)
            adapted_error.__cause__ = error
            return adapted_error
    return error
# {% endif %}
# {% elif database_driver == "psycopg" %}


def engine_options(url: URL, settings: Settings, *, read_only: bool) -> dict[str, Any]:
    """Return the arguments of ``create_async_engine`` that differ between drivers."""
    connect_args: dict[str, Any] = {
        "connect_timeout": max(1, round(settings.database_pool_timeout)),
        # The server stops a statement first; this is for a server that no longer answers.
        "tcp_user_timeout": round((settings.statement_timeout + 1) * 1000),
    }
    if settings.database_pooler == "transaction":
        return {"connect_args": connect_args | NOTHING_PREPARED}
    server_settings = session_settings(settings)
    if read_only:
        server_settings["default_transaction_read_only"] = "on"
    options = [f"-c {name}={value}" for name, value in server_settings.items()]
    connect_args["options"] = " ".join([str(url.query.get("options", "")), *options]).strip()
    return {"connect_args": connect_args} | ({"isolation_level": "AUTOCOMMIT"} if read_only else {})


def configure(engine: AsyncEngine, settings: Settings, *, read_only: bool) -> None:
    """Set up each transaction behind a pooler, or forget statements that are older than the schema.

    In a transaction, its rollback does that.
    """
    if settings.database_pooler == "transaction":
        begin_transactions(engine, settings, read_only=read_only)
    elif read_only:
        event.listen(engine.sync_engine, "handle_error", _forget_statements)


def _forget_statements(context: ExceptionContext) -> None:
    if is_outdated(context.original_exception) and context.connection is not None:
        connection: Any = context.connection.connection.dbapi_connection
        if connection.autocommit:
            connection.run_async(lambda raw: raw.execute("DEALLOCATE ALL"))


def is_outdated(error: object) -> bool:
    """Say whether a prepared statement is refused because the schema has changed since."""
    if not isinstance(error, psycopg.Error):
        return False
    lookup_failed = isinstance(error, psycopg.errors.InternalError_) and "lookup" in str(error)
    return lookup_failed or error.diag.source_function == "RevalidateCachedQuery"


def fault_of(error: DBAPIError) -> Fault:
    """Say what an error of the driver means."""
    if error.connection_invalidated:
        return Fault.READ_ONLY if is_read_only(error.orig) else Fault.DISCONNECTED
    if is_outdated(error.orig):
        return Fault.OUTDATED
    # A NUL is refused by the driver itself, which gives no code.
    no_code = "22021" if "cannot contain NUL" in str(error.orig) else ""
    state = getattr(error.orig, "sqlstate", None) or no_code
    return _FAULTS.get(state) or _FAULT_CLASSES.get(state[:2], Fault.OTHER)


def place_of(error: DBAPIError) -> dict[str, str]:
    """Return the names of the table, column and constraint in an error, without values."""
    names = ("table_name", "column_name", "constraint_name")
    diagnostics = getattr(error.driver_exception, "diag", None)
    found = {name: getattr(diagnostics, name, None) for name in names}
    return {name: value for name, value in found.items() if value}
# {% elif database_driver == "asyncmy" %}


def engine_options(settings: Settings, *, read_only: bool) -> dict[str, Any]:
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
        # Without this, each read would be followed by two more round trips.
        "skip_autocommit_rollback": read_only,
    }


def configure(engine: AsyncEngine, settings: Settings, *, read_only: bool) -> None:
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


def is_read_only(error: BaseException | None) -> bool:
    """Say whether the server refuses all changes."""
    return error is not None and error.args[:1] in {(1290,), (1836,)}


def fault_of(error: DBAPIError) -> Fault:
    """Say what an error of the driver means."""
    if error.connection_invalidated:
        return Fault.READ_ONLY if is_read_only(error.orig) else Fault.DISCONNECTED
    number = error.orig.args[0] if error.orig and error.orig.args else 0
    return _FAULTS.get(number, Fault.OTHER)


def place_of(error: DBAPIError) -> dict[str, str]:
    """Return the name of the column, key or constraint that an error is about; no values."""
    text = str(error.orig.args[-1]) if error.orig and error.orig.args else ""
    *_, found = [None, *_PLACE.findall(text)]
    return {"constraint_name": found} if found else {}
# {% else %}


def open_file(url: URL) -> None:
    """Open the file and close it, so that the reason why it cannot be opened is heard here.

    aiosqlite would leave a thread behind that still reports to an event loop which has ended.
    """
    sqlite3.connect(str(url.database), uri="uri" in url.query).close()


def engine_options(settings: Settings, *, read_only: bool) -> dict[str, Any]:
    """Return the arguments of ``create_async_engine`` that differ between drivers."""
    options: dict[str, Any] = {"connect_args": {"timeout": settings.lock_timeout}}
    if read_only:
        # In autocommit there is nothing to roll back, and asking takes a turn of the thread.
        options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    return options


def configure(engine: AsyncEngine, settings: Settings, *, read_only: bool) -> None:
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

    event.listen(sync_engine, "invalidate", _stop)


def _stop(connection: DBAPIConnection, record: ConnectionPoolEntry, _error: object) -> None:
    # The thread of a cancelled request would go on, and closing alone would leave the lock to
    # whatever still refers to its cursor.
    record.info["deadline"][0] = 0
    connection.rollback()


def fault_of(error: DBAPIError) -> Fault:
    """Say what an error of the driver means."""
    name = getattr(error.orig, "sqlite_errorname", "")
    family = "_".join(name.split("_")[:2])
    return _FAULTS.get(name) or _FAULT_FAMILIES.get(family, Fault.OTHER)


def place_of(error: DBAPIError) -> dict[str, str]:
    """Return the columns or the constraint that an error is about; no values."""
    text = str(error.orig)
    if " constraint failed: " not in text:
        return {}
    return {"constraint_name": text.partition(" constraint failed: ")[2]}
# {% endif %}
