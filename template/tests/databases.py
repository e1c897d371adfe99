"""Databases for tests: each empty, of its own name, and dropped in the end."""

# {% if database_driver == "aiosqlite" %}
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Row
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from {{ package_name }}.database_url import parse_database_url


@contextmanager
def provide_database() -> Iterator[str]:
    """Make a file in a folder of its own and return its URL."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite+aiosqlite:///{Path(folder).resolve() / 'test.db'}"
# {% else %}
import asyncio
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
# {% if database_driver == "asyncmy" %}
from contextlib import contextmanager, suppress
# {% else %}
from contextlib import contextmanager
# {% endif %}
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
# {% if postgresql %}
from sqlalchemy import URL, Row
# {% else %}
from sqlalchemy import URL, Row, make_url
# {% endif %}
# {% if database_driver == "asyncmy" %}
from sqlalchemy.exc import OperationalError
# {% endif %}
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# {% if postgresql %}
from {{ package_name }}.database_url import parse_database_url
# {% else %}
from {{ package_name }}.database_url import DRIVER_NAME, parse_database_url
# {% endif %}

from scripts.embedded import NoServerError
# {% if postgresql %}
from scripts.postgres import running_server
# {% else %}
from scripts.mariadb import running_server
# {% endif %}

PROJECT = Path(__file__).parent.parent


@contextmanager
def provide_database() -> Iterator[str]:
    """Create a database and return its URL; not to be called where an event loop runs.

    ``TEST_DATABASE_URL`` names any database on the server to use, which itself stays as it is.
    Otherwise a temporary server is started, which all who test this project at the same time
    share. Where none can be had, the test is skipped, or fails if ``REQUIRE_DATABASE`` is 1.
    """
    with provide_server() as server:
        name = f"test_{uuid4().hex}"
        url = server.set(database=name)
        # {% if postgresql %}
        asyncio.run(run_admin_sql(server, f"CREATE DATABASE {name}"))
        # {% else %}
        asyncio.run(run_admin_sql(server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
        # {% endif %}
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            # {% if postgresql %}
            asyncio.run(run_admin_sql(server, f"DROP DATABASE {name} WITH (FORCE)"))
            # {% else %}
            # A transaction that is still open would hold up the drop.
            asyncio.run(end_connections(url))
            asyncio.run(run_admin_sql(server, f"DROP DATABASE {name}"))
            # {% endif %}


@contextmanager
def provide_server() -> Iterator[URL]:
    """Return the URL of some database on the server to test on."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        # {% if postgresql %}
        yield parse_database_url(given)
        # {% else %}
        url = make_url(given)
        yield url.set(drivername=DRIVER_NAME, database=url.database or "information_schema")
        # {% endif %}
        return
    digest = hashlib.sha256(os.fsencode(PROJECT)).hexdigest()
    name = f"{{ package_name }}-tests-{digest[:16]}"
    folder = Path(tempfile.gettempdir(), name)
    try:
        with running_server(folder, temporary=True) as server:
            yield server
    except NoServerError as error:
        message = f"{error}; or set TEST_DATABASE_URL to the URL of a server"
        if os.environ.get("REQUIRE_DATABASE") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
# {% endif %}


async def run_admin_sql(url: URL | str, statement: str) -> Sequence[Row[Any]]:
    """Run a statement on a connection of its own, outside a transaction, and return its rows."""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    translated = parse_database_url(text)
    engine = create_async_engine(translated, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            result = await connection.exec_driver_sql(statement)
            return result.all() if result.returns_rows else []
    finally:
        await engine.dispose()
# {% if database_driver != "aiosqlite" %}


async def end_connections(url: URL | str) -> None:
    """End all connections to the database, as a server does that goes down."""
    # {% if postgresql %}
    await run_admin_sql(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    # {% else %}
    others = await run_admin_sql(
        url,
        "SELECT id FROM information_schema.processlist"
        " WHERE db = DATABASE() AND id <> CONNECTION_ID()",
    )
    for (number,) in others:
        # It may have ended by itself since.
        with suppress(OperationalError):
            await run_admin_sql(url, f"KILL {number}")
    # {% endif %}
# {% endif %}
