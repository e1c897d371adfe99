"""Migrations that start at the same time, as with each replica of a deployment."""

import asyncio
from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine

from order_desk.database.driver import MIGRATION_SETTINGS
from order_desk.settings import parse_database_url

from tests.conftest import alembic_config
from tests.databases import provide_database

WAITING = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock'",
}


@pytest.fixture
def empty_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    with provide_database() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        yield parse_database_url(url)


async def test_a_migration_waits_for_the_one_that_runs(empty_database: URL) -> None:
    engine = create_async_engine(empty_database)
    waiting = text(WAITING[empty_database.get_backend_name()])
    async with engine.connect() as running:
        await running.exec_driver_sql(MIGRATION_SETTINGS[0])
        upgrade = asyncio.create_task(asyncio.to_thread(command.upgrade, alembic_config(), "head"))
        async with asyncio.timeout(10):
            while not await running.scalar(waiting):  # noqa: ASYNC110 - only the server knows
                await asyncio.sleep(0.02)
        assert not upgrade.done()
        await running.invalidate()
    await upgrade

    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM users")) == 0
    await engine.dispose()
