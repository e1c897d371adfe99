"""How Alembic reaches the database."""

import asyncio

from alembic import context
from sqlalchemy import URL, Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine  # noqa: TID251 - no pool is wanted

from {{ package_name }} import models
from {{ package_name }}.database.driver import MIGRATION_SETTINGS
from {{ package_name }}.settings import load_settings


def run_migrations(connection: Connection) -> None:
    """Run the migrations, each in a transaction of its own."""
    for statement in MIGRATION_SETTINGS:
        connection.exec_driver_sql(statement)
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=models.METADATA,
        transaction_per_migration=True,
        # {% if database_driver == "aiosqlite" %}
        # SQLite alters a table by copying it.
        render_as_batch=True,
        # {% endif %}
    )
    with context.begin_transaction():
        context.run_migrations()
    # Each migration has committed itself; before the first, there is Alembic's own table.
    connection.commit()


async def migrate(url: URL) -> None:
    """Connect and migrate."""
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_migrations)
    await engine.dispose()


asyncio.run(migrate(load_settings().database_url))
