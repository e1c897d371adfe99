# {% if database_driver == "aiosqlite" %}
"""Serve with reload, on a database of the project's own unless ``DATABASE_URL`` is set.

The data stay in ``.dev``; delete that folder to begin anew.
"""

# {% else %}
"""Serve with reload, on a database server of the project's own unless ``DATABASE_URL`` is set.

The data stay in ``.dev``; delete that folder to begin anew. The server stops with this process,
or with the last one if several serve the project on different ports.
"""

# {% endif %}
import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from alembic import command
from alembic.config import Config
from pydantic_settings import BaseSettings, SettingsConfigDict
# {% if database_driver != "aiosqlite" %}
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
# {% endif %}

from {{ package_name }}.__main__ import listen
from {{ package_name }}.database.preflight import verify_database
from {{ package_name }}.settings import load_settings
# {% if example or database_driver != "aiosqlite" or auth == "oidc" %}

# {% endif %}
# {% if database_driver != "aiosqlite" %}
from scripts.embedded import NoServerError
# {% endif %}
# {% if auth == "oidc" %}
from scripts.issuer import running_issuer
# {% endif %}
# {% if postgresql %}
from scripts.postgres import running_server
# {% elif database_driver == "asyncmy" %}
from scripts.mariadb import running_server
# {% endif %}
# {% if example %}
from scripts.seed import seed
# {% endif %}

PROJECT = Path(__file__).parent.parent
# {% if database_driver != "aiosqlite" %}

DATABASE = "{{ package_name }}"
# {% endif %}


class Given(BaseSettings):
    """What is set in the environment or in ``.env``."""

    model_config = SettingsConfigDict(
        env_file=PROJECT / ".env", env_ignore_empty=True, extra="ignore"
    )

    database_url: str | None = None
    # {% if auth == "oidc" %}
    auth_issuer: str | None = None
    # {% endif %}


def main() -> None:
    """Serve until Ctrl-C or SIGTERM; nothing that was started is left behind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    if sys.platform != "win32":
        # The terminal was closed.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    os.chdir(PROJECT)
    # {% if auth == "oidc" %}
    with database_url() as url, issuer() as issued:
        os.environ.update(issued)
    # {% else %}
    with database_url() as url:
    # {% endif %}
        os.environ["DATABASE_URL"] = url
        # {% if database_driver != "aiosqlite" %}
        os.environ["DATABASE_MIGRATION_URL"] = url
        # {% endif %}
        os.environ.setdefault("DRAIN_SECONDS", "0")
        # {% if telemetry == "prometheus" %}
        # The usual port may be that of another service on this machine.
        os.environ.setdefault("METRICS_PORT", "0")
        # {% endif %}
        settings = load_settings()
        # Another process that serves on the port must not have its database changed.
        listen(settings).close()
        asyncio.run(verify_database(settings))
        command.upgrade(Config(toml_file=PROJECT / "pyproject.toml"), "head")
        # {% if example %}
        asyncio.run(seed(settings))
        # {% endif %}
        print(f"API documentation: http://{settings.host}:{settings.port}/docs")
        uvicorn.run(
            "{{ package_name }}.main:app",
            host=settings.host,
            port=settings.port,
            reload=True,
            reload_dirs=["src"],
            log_config=None,
            access_log=False,
            server_header=False,
            root_path=settings.root_path,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            # A request must not hold up a reload for long.
            timeout_graceful_shutdown=1,
        )


def leave(_number: int, _frame: FrameType | None) -> None:
    """Stop whatever runs; from here on a signal would only interrupt that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit()


# {% if auth == "oidc" %}
@contextmanager
def issuer() -> Iterator[dict[str, str]]:
    """Return nothing if an issuer is set, or the settings of one of the project's own."""
    if Given().auth_issuer is not None:
        yield {}
        return
    with running_issuer() as settings:
        yield settings


# {% endif %}
@contextmanager
def database_url() -> Iterator[str]:
    """Return the URL that is set, or that of a database of the project's own."""
    given = Given().database_url
    if given is not None:
        yield given
        return
    # {% if database_driver == "aiosqlite" %}
    file = PROJECT / ".dev" / "service.db"
    file.parent.mkdir(exist_ok=True)
    yield f"sqlite:///{file}"
    # {% else %}
    # {% if postgresql %}
    folder = PROJECT / ".dev" / "postgres"
    # {% else %}
    folder = PROJECT / ".dev" / "mariadb"
    # {% endif %}
    try:
        with running_server(folder) as server:
            asyncio.run(create_database(server))
            yield server.set(database=DATABASE).render_as_string(hide_password=False)
    except NoServerError as error:
        message = f"{error}\nTo use another server, set DATABASE_URL."
        raise SystemExit(message) from None
    # {% endif %}
# {% if database_driver != "aiosqlite" %}


async def create_database(server: URL) -> None:
    """Create the database unless it is there."""
    engine = create_async_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        # {% if postgresql %}
        names = await connection.scalars(text("SELECT datname FROM pg_database"))
        if DATABASE not in names:
            await connection.execute(text(f'CREATE DATABASE "{DATABASE}"'))
        # {% else %}
        names = await connection.scalars(text("SHOW DATABASES"))
        if DATABASE not in names:
            await connection.execute(text(f"CREATE DATABASE `{DATABASE}`"))
        # {% endif %}
    await engine.dispose()
# {% endif %}


if __name__ == "__main__":
    main()
