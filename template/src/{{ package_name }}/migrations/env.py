"""How Alembic reaches the database."""

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
# {% if postgresql %}
from typing import Any
# {% else %}
from typing import Any, Literal
# {% endif %}

from alembic import context
# {% if not postgresql %}
from alembic.autogenerate.api import AutogenContext
# {% endif %}
# {% if database_driver == "asyncmy" %}
from alembic.operations.ops import DropIndexOp, DropTableOp, ModifyTableOps
# {% endif %}
from alembic.runtime.environment import NameFilterParentNames, NameFilterType
from alembic.util import CommandError
# {% if postgresql %}
from sqlalchemy import Connection, event, pool, text
# {% else %}
from sqlalchemy import Connection, pool
# {% endif %}
from sqlalchemy.ext.asyncio import create_async_engine  # noqa: TID251 - no pool is wanted

from {{ package_name }} import models
# {% if postgresql %}
from {{ package_name }}.database.driver import (
    MIGRATION_LOCK,
    MIGRATION_SETTINGS,
    NOTHING_PREPARED,
)
# {% elif database_driver == "aiosqlite" %}
from {{ package_name }}.database.driver import MIGRATION_SETTINGS, open_file
# {% else %}
from {{ package_name }}.database.driver import MIGRATION_SETTINGS
# {% endif %}
from {{ package_name }}.database.preflight import why_not_connected
# {% if not postgresql %}
from {{ package_name }}.database.types import UtcDateTime
# {% endif %}
from {{ package_name }}.database_url import DRIVER_NAME
from {{ package_name }}.settings import DatabaseSettings, read_settings
# {% if not postgresql %}


# {% if database_driver == "asyncmy" %}
def render_item(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 - as Alembic has it
# {% else %}
def render_item(kind: str, item: Any, _autogenerate: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 - as Alembic has it
# {% endif %}
    """Write the types of this service as types of SQLAlchemy, which do not change later."""
    if kind == "type" and isinstance(item, type(UtcDateTime)):
        # {% if database_driver == "asyncmy" %}
        autogenerate.imports.add("from sqlalchemy.dialects import mysql")
        return "mysql.DATETIME(fsp=6)"
        # {% else %}
        return "sa.DateTime()"
        # {% endif %}
    return False
# {% endif %}


# {% if database_driver == "asyncmy" %}
def keep_indexes(_context: object, _revision: object, scripts: list[Any]) -> None:
    """Drop no index of a table that is dropped itself; a foreign key may need it until then."""
    for operations in (part for it in scripts for part in (it.upgrade_ops, it.downgrade_ops)):
        dropped = {op.table_name for op in operations.ops if isinstance(op, DropTableOp)}
        for op in operations.ops:
            if isinstance(op, ModifyTableOps) and op.table_name in dropped:
                op.ops = [part for part in op.ops if not isinstance(part, DropIndexOp)]


# {% endif %}
def is_compared(name: str | None, kind: NameFilterType, parents: NameFilterParentNames) -> bool:
    """Ignore tables that neither a model nor a migration names."""
    if kind != "table" or parents["schema_qualified_table_name"] in models.METADATA.tables:
        return True
    scripts = (Path(script.path) for script in context.script.walk_revisions())
    return any(f'"{name}"' in script.read_text("utf-8") for script in scripts)


OPTIONS: dict[str, Any] = {
    "target_metadata": models.METADATA,
    "include_name": is_compared,
    # {% if not postgresql %}
    "render_item": render_item,
    # {% endif %}
    # {% if database_driver == "asyncmy" %}
    "process_revision_directives": keep_indexes,
    # {% endif %}
    # {% if database_driver == "aiosqlite" %}
    # SQLite alters a table by copying it.
    "render_as_batch": True,
    # {% else %}
    "transaction_per_migration": True,
    # {% endif %}
}


def print_sql() -> None:
    """Print the statements, as ``--sql`` asks for; that needs no database."""
    context.configure(url=f"{DRIVER_NAME}://", literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def set_up(connection: Connection) -> None:
    # {% if postgresql %}
    # For each transaction: behind a pooler, a session may be that of somebody else.
    # {% endif %}
    for statement in MIGRATION_SETTINGS:
        connection.exec_driver_sql(statement)


def run_migrations(connection: Connection) -> None:
    # {% if database_driver == "aiosqlite" %}
    """Run the migrations in one transaction."""
    # {% else %}
    """Run the migrations, each in a transaction of its own."""
    # {% endif %}
    # {% if postgresql %}
    event.listen(connection, "begin", set_up)
    # {% else %}
    set_up(connection)
    # {% endif %}
    # {% if database_driver == "asyncmy" %}
    connection.commit()
    # {% endif %}
    context.configure(connection, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
    # {% if database_driver != "aiosqlite" %}
    # Each migration has committed itself; before the first, there is Alembic's own table.
    # {% endif %}
    connection.commit()


async def migrate(settings: DatabaseSettings) -> None:
    """Connect and migrate; raise CommandError if no connection can be made."""
    # {% if database_driver == "aiosqlite" %}
    name, url = "DATABASE_URL", settings.database_url
    # {% else %}
    name, url = "DATABASE_MIGRATION_URL", settings.database_migration_url
    if url is None:
        name, url = "DATABASE_URL", settings.database_url
    # {% endif %}
    # {% if postgresql %}
    engine = create_async_engine(url, poolclass=pool.NullPool, connect_args=NOTHING_PREPARED)
    # {% else %}
    engine = create_async_engine(url, poolclass=pool.NullPool)
    # {% endif %}
    async with AsyncExitStack() as stack:
        try:
            # {% if database_driver == "aiosqlite" %}
            open_file(url)
            # {% endif %}
            connection = await stack.enter_async_context(engine.connect())
            # {% if database_driver == "aiosqlite" %}
            # SQLite does not read a file until the first statement.
            await connection.exec_driver_sql("PRAGMA schema_version")
            # {% endif %}
            # {% if postgresql %}
            lock = await stack.enter_async_context(engine.connect())
            # {% endif %}
        except Exception as error:  # of the socket, of TLS, of the driver or of the server
            message = f"check {name}: {why_not_connected(url, error)}"
            raise CommandError(message) from error
        # {% if postgresql %}
        while not await lock.scalar(text(MIGRATION_LOCK)):
            # Behind a pooler, the one that runs may need the connection.
            await lock.rollback()
            await asyncio.sleep(0.5)
        # {% endif %}
        await connection.run_sync(run_migrations)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine to its end; if an event loop runs already, in another thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(asyncio.run, work).result()


logging.basicConfig(format="%(message)s")
logging.getLogger("alembic").setLevel(logging.INFO)
if context.is_offline_mode():
    print_sql()
else:
    run(migrate(read_settings(DatabaseSettings)))
