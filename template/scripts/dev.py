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
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from alembic import command
from alembic.config import Config
from pydantic_settings import BaseSettings, SettingsConfigDict
# {% if database_driver == "aiosqlite" %}
from sqlalchemy import select
# {% else %}
from sqlalchemy import URL, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
# {% endif %}

from {{ package_name }}.database.engine import Database
from {{ package_name }}.database.preflight import verify_database
from {{ package_name }}.models import User
from {{ package_name }}.orders.schemas import OrderCreate
from {{ package_name }}.orders.service import OrderService
from {{ package_name }}.settings import Settings, load_settings
from {{ package_name }}.users.schemas import UserCreate
from {{ package_name }}.users.service import NewUsers
# {% if postgresql %}

from scripts.embedded import NoServerError
from scripts.postgres import running_server
# {% elif database_driver == "asyncmy" %}

from scripts.embedded import NoServerError
from scripts.mariadb import running_server
# {% endif %}

PROJECT = Path(__file__).parent.parent
# {% if database_driver != "aiosqlite" %}

DATABASE = "{{ package_name }}"
# {% endif %}

SEED: Sequence[tuple[UserCreate, Sequence[str]]] = (
    (UserCreate(email="ada@example.com", full_name="Ada Lovelace"), ["Analytical engine"]),
    (UserCreate(email="grace@example.com", full_name="Grace Hopper"), ["Compiler", "Moth"]),
    (UserCreate(email="alan@example.com", full_name="Alan Turing"), []),
)
"""Users and what they order, for a table without users."""


class Given(BaseSettings):
    """What is set in the environment or in ``.env``."""

    model_config = SettingsConfigDict(env_file=PROJECT / ".env", extra="ignore")

    database_url: str | None = None


def main() -> None:
    """Serve until Ctrl-C or SIGTERM; nothing that was started is left behind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    if sys.platform != "win32":
        # The terminal was closed.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    os.chdir(PROJECT)
    with database_url() as url:
        os.environ["DATABASE_URL"] = url
        os.environ.setdefault("DRAIN_SECONDS", "0")
        settings = load_settings()
        refuse_taken_port(settings)
        asyncio.run(verify_database(settings))
        command.upgrade(Config(toml_file=PROJECT / "pyproject.toml"), "head")
        asyncio.run(seed(settings))
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
            # A request must not hold up a reload for long.
            timeout_graceful_shutdown=1,
        )


def leave(_number: int, _frame: FrameType | None) -> None:
    """Stop whatever runs; from here on a signal would only interrupt that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit()


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


def refuse_taken_port(settings: Settings) -> None:
    """Stop before anything is changed if another process serves on the port.

    Raises:
        SystemExit: the port is taken.
    """
    try:
        socket.create_server((settings.host, settings.port)).close()
    except OSError as error:
        message = f"Cannot start, check HOST and PORT: {settings.host} {settings.port}: {error}"
        raise SystemExit(message) from None


async def seed(settings: Settings) -> None:
    """Store some users and orders where there are no users."""
    async with Database.open(settings) as database:
        async with database.read() as session:
            if await session.scalar(select(User.id).limit(1)):
                return
        for new_user, items in SEED:
            user = await NewUsers(database).create(new_user)
            async with database.write() as session:
                for item in items:
                    await OrderService(session).create(user.id, OrderCreate(item=item))


if __name__ == "__main__":
    main()
