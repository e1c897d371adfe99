"""Checks of the database before the service starts."""

import asyncio
# {% if database_driver == "aiosqlite" %}
import sqlite3
# {% endif %}

from sqlalchemy import URL, text
from sqlalchemy.exc import SQLAlchemyError

from ..settings import Settings
from ..web.problems import Problem
# {% if database_driver == "aiosqlite" %}
from .driver import open_file
from .engine import create_engine
# {% else %}
from .driver import MAX_CONNECTIONS, TAKES_NO_CHANGES
from .engine import create_engine
# {% endif %}
# {% if postgresql %}
from .pooler import POOLER_SIGNS, session_fault
# {% endif %}


async def verify_database(settings: Settings) -> None:
    """Connect both engines; raise SystemExit with a line that names a wrong setting."""
    await _verify("DATABASE_URL", settings.database_url, settings, read_only=False)
    name = "DATABASE_READ_URL" if settings.database_read_url else "DATABASE_URL"
    read_url = settings.database_read_url or settings.database_url
    await _verify(name, read_url, settings, read_only=True)


async def _verify(name: str, url: URL, settings: Settings, *, read_only: bool) -> None:
    engine = create_engine(url, settings, read_only=read_only, pool_size=1)
    try:
        # {% if database_driver == "aiosqlite" %}
        open_file(url)
        # {% endif %}
        async with asyncio.timeout(settings.database_pool_timeout), engine.connect() as connection:
            # {% if database_driver == "aiosqlite" %}
            await connection.execute(text("SELECT 1"))
            # {% else %}
            # {% if postgresql %}
            fault = await session_fault(connection, settings, read_only=read_only)
            # {% else %}
            fault: str | None = None
            # {% endif %}
            if not read_only and await connection.scalar(text(TAKES_NO_CHANGES)):
                fault = "it takes no changes: the server is a standby, or was made read-only"
            limit = int(await connection.scalar(text(MAX_CONNECTIONS)))
            # {% endif %}
    # {% if database_driver == "aiosqlite" %}
    except (Problem, SQLAlchemyError, sqlite3.Error) as error:
    # {% else %}
    except (Problem, SQLAlchemyError, OSError) as error:
    # {% endif %}
        message = f"Cannot start, check {name}: {why_not_connected(url, error)}"
        raise SystemExit(message) from None
    finally:
        await engine.dispose()
    # {% if database_driver != "aiosqlite" %}
    if fault is not None:
        message = f"Cannot start, check {name}: {fault}"
        raise SystemExit(message)
    # {% if postgresql %}
    if settings.database_pooler == "none":
        # A pooler shows its own limit to nobody but its operator.
        _verify_sum(name, limit, settings)
    # {% else %}
    _verify_sum(name, limit, settings)
    # {% endif %}


def _verify_sum(name: str, limit: int, settings: Settings) -> None:
    pools = 1 if settings.database_read_url else 2
    connections = pools * (settings.database_pool_size + settings.database_max_overflow)
    # {% if health_checks %}
    needed = settings.workers * (connections + 2)  # the readiness checks have their own
    # {% else %}
    needed = settings.workers * connections
    # {% endif %}
    if needed > limit:
        message = (
            "Cannot start, lower DATABASE_POOL_SIZE or WORKERS: "
            f"{settings.workers} workers may open {needed} connections, {name} accepts {limit}"
        )
        raise SystemExit(message)
    # {% endif %}


def why_not_connected(url: URL, error: BaseException) -> str:
    """Return in one line, without secrets, why no connection could be made."""
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        reason = "the connection was refused; no server listens there"
    elif any(isinstance(cause, TimeoutError) for cause in causes):
        reason = "no answer in time"
    else:
        cause = error.__cause__ or error
        # The first argument may be a number.
        reason = " ".join(str(cause.args[-1] if cause.args else "").split()) or type(cause).__name__
    # {% if postgresql %}
    if "unrecognized configuration parameter" in reason:
        reason += "; leave it out of the URL"
    if POOLER_SIGNS.search(reason):
        reason += "; a pooler is between: leave settings of the session out of the URL"
        reason += ", and set DATABASE_POOLER=transaction"
    # {% endif %}
    return f"no connection to {url.set(query={})!r}: {reason}"
