"""What a service does on a connection that a pooler may give to others."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from order_desk.database.engine import Database
from order_desk.database.preflight import verify_database
from order_desk.settings import Settings


@pytest.fixture
def pooled(settings: Settings) -> Settings:
    return settings.model_copy(update={"database_pooler": "transaction"})


async def test_a_pooled_session_leaves_nothing_on_its_connection(pooled: Settings) -> None:
    one = pooled.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    changed = text("SELECT count(*) FROM pg_settings WHERE source = 'session'")
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")
    async with Database.open(one) as database:
        for engine in (database.read_engine, database.write_engine):
            async with engine.connect() as connection:
                in_transaction = await connection.scalar(changed)
                assert await connection.scalar(prepared) == 0
            autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
            async with autocommit.connect() as connection:
                after = await connection.scalar(changed)

            assert in_transaction > after


async def test_a_pooled_read_session_refuses_to_write(pooled: Settings) -> None:
    async with Database.open(pooled) as database, database.read() as session:
        with pytest.raises(DBAPIError, match="read-only"):
            await session.execute(text("DELETE FROM gizmos"))


async def test_a_session_is_verified(pooled: Settings) -> None:
    await verify_database(pooled)
