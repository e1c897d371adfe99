"""Migrations that start at the same time, as with each replica of a deployment."""

import asyncio
from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import URL, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from order_desk.database import driver
from order_desk.database_url import parse_database_url

from tests.conftest import alembic_config
from tests.databases import provide_database

WAITING = {
    "postgresql": (
        "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'pg_try_advisory|ROLLBACK'"
        " AND datname = current_database() AND state = 'idle'"
    ),
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock'",
}


@pytest.fixture
def empty_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    with provide_database() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        yield parse_database_url(url)


async def until_one_waits(connection: AsyncConnection) -> None:
    statement = WAITING.get(connection.dialect.name)
    if statement is None:
        # SQLite cannot tell.
        await asyncio.sleep(0.5)
        return
    async with asyncio.timeout(10):
        while not await connection.scalar(text(statement)):
            await connection.rollback()  # or the answer stays what it is
            await asyncio.sleep(0.02)


async def test_a_migration_begins_when_the_one_that_runs_has_ended(empty_database: URL) -> None:
    engine = create_async_engine(empty_database)
    async with engine.connect() as running:
        lock = getattr(driver, "MIGRATION_LOCK", None)
        for statement in (lock,) if lock else driver.MIGRATION_SETTINGS:
            await running.exec_driver_sql(statement)
        upgrade = asyncio.create_task(asyncio.to_thread(command.upgrade, alembic_config(), "head"))
        async with engine.connect() as watching:
            await until_one_waits(watching)

        create = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
        await running.exec_driver_sql(create)
        await running.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
        await running.commit()
        await running.invalidate()
    await upgrade

    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()
    assert tables == ["alembic_version"]
