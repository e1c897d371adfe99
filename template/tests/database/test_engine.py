"""A connection is asked before its use: one that lives is kept, another one replaced."""

from fastapi import APIRouter
# {% if postgresql %}
from sqlalchemy import Column, Integer, MetaData, Table, select, text
# {% else %}
from sqlalchemy import text
# {% endif %}

from {{ package_name }}.database.dependencies import WriteSessionDep
from {{ package_name }}.database.engine import Database
from {{ package_name }}.settings import Settings

from tests.conftest import MakeClient
# {% if postgresql %}
from tests.databases import end_connections, run_admin_sql
from tests.faults.pools import OWN_NUMBER
from tests.support import assert_problem, create_gizmo, tables

REFUSAL = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '25006'; END $$"
# {% else %}
from tests.databases import end_connections
from tests.faults.pools import OWN_NUMBER
from tests.support import assert_problem, create_gizmo

REFUSAL = "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290"
# {% endif %}
"""What a server says to a change that has become a standby."""


async def test_a_connection_is_kept_until_the_server_ends_it(settings: Settings) -> None:
    async with Database.open(settings) as database:

        async def number() -> int:
            async with database.read() as session:
                return int(await session.scalar(OWN_NUMBER))

        first = await number()
        assert await number() == first

        await end_connections(settings.database_url)

        assert await number() != first


async def test_a_server_that_takes_no_changes_is_left(make_client: MakeClient) -> None:
    router = APIRouter()
    numbers: list[int] = []

    @router.post("/change")
    async def change(session: WriteSessionDep, statement: str = "SELECT 1") -> None:
        numbers.append(await session.scalar(OWN_NUMBER))
        await session.execute(text(statement))

    async with make_client(router, database_pool_size=1, database_max_overflow=0) as client:
        refused = await client.post("/change", params={"statement": REFUSAL})
        await client.post("/change")
        await create_gizmo(client)

    assert_problem(refused, 503, "database-read-only")
    assert numbers[0] != numbers[1]
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
