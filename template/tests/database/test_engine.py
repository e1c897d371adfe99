"""A connection is asked before its use: one that lives is kept, another one replaced."""

# {% if postgresql %}
from sqlalchemy import Column, Integer, MetaData, Table, select

# {% endif %}
from {{ package_name }}.database.engine import Database
from {{ package_name }}.settings import Settings

# {% if postgresql %}
from tests.databases import end_connections, run_admin_sql
from tests.faults.pools import OWN_NUMBER
from tests.support import tables
# {% else %}
from tests.databases import end_connections
from tests.faults.pools import OWN_NUMBER
# {% endif %}


async def test_a_connection_is_kept_until_the_server_ends_it(settings: Settings) -> None:
    async with Database.open(settings) as database:

        async def number() -> int:
            async with database.read() as session:
                return int(await session.scalar(OWN_NUMBER))

        first = await number()
        assert await number() == first

        await end_connections(settings.database_url)

        assert await number() != first
# {% if postgresql %}


async def test_prepared_statements_outlive_a_migration(settings: Settings) -> None:
    size = Column("size", Integer)
    metadata = MetaData()
    Table("gadgets", metadata, size)
    async with Database.open(settings) as database, tables(database.write_engine, metadata):
        # A driver may prepare only what it has seen a few times.
        for type_ in ["int"] * 10 + ["bigint"]:
            await run_admin_sql(
                settings.database_url, f"ALTER TABLE gadgets ALTER size TYPE {type_}"
            )
            async with database.read() as session:
                assert await session.scalar(select(size)) is None
            assert await database.transaction(lambda session: session.scalar(select(size))) is None
# {% endif %}
