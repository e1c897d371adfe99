"""How Alembic reaches the database."""

import asyncio
import logging
# {% if not postgresql %}
from typing import Any, Literal
# {% endif %}

from alembic import context
# {% if not postgresql %}
from alembic.autogenerate.api import AutogenContext
# {% endif %}
from sqlalchemy import URL, Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine  # noqa: TID251 - no pool is wanted

from {{ package_name }} import models
from {{ package_name }}.database.driver import MIGRATION_SETTINGS
# {% if not postgresql %}
from {{ package_name }}.database.types import UtcDateTime
# {% endif %}
from {{ package_name }}.settings import load_settings
# {% if not postgresql %}


# {% if database_driver == "asyncmy" %}
def render_item(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 - as Alembic has it
# {% else %}
def render_item(kind: str, item: Any, _autogenerate: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 - as Alembic has it
# {% endif %}
    """Write the types of this service as SQLAlchemy's own, which stay what they are."""
    if kind == "type" and isinstance(item, type(UtcDateTime)):
        # {% if database_driver == "asyncmy" %}
        autogenerate.imports.add("from sqlalchemy.dialects import mysql")
        return "mysql.DATETIME(fsp=6)"
        # {% else %}
        return "sa.DateTime()"
        # {% endif %}
    return False
# {% endif %}


def run_migrations(connection: Connection) -> None:
    # {% if database_driver == "aiosqlite" %}
    """Run the migrations in one transaction."""
    # {% else %}
    """Run the migrations, each in a transaction of its own."""
    # {% endif %}
    for statement in MIGRATION_SETTINGS:
        connection.exec_driver_sql(statement)
    # {% if database_driver != "aiosqlite" %}
    connection.commit()
    # {% endif %}
    # {% if postgresql %}
    context.configure(connection, target_metadata=models.METADATA, transaction_per_migration=True)
    # {% else %}
    context.configure(
        connection,
        target_metadata=models.METADATA,
        # {% if database_driver == "asyncmy" %}
        transaction_per_migration=True,
        # {% endif %}
        render_item=render_item,
        # {% if database_driver == "aiosqlite" %}
        # SQLite alters a table by copying it.
        render_as_batch=True,
        # {% endif %}
    )
    # {% endif %}
    with context.begin_transaction():
        context.run_migrations()
    # {% if database_driver != "aiosqlite" %}
    # Each migration has committed itself; before the first, there is Alembic's own table.
    # {% endif %}
    connection.commit()


async def migrate(url: URL) -> None:
    """Connect and migrate."""
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_migrations)


logging.basicConfig(format="%(message)s")
logging.getLogger("alembic").setLevel(logging.INFO)
asyncio.run(migrate(load_settings().database_url))
