import asyncio

import pytest
from sqlalchemy import make_url, text

from {{ package_name }}.database.engine import Database
from {{ package_name }}.database.pooler import session_fault
from {{ package_name }}.database.preflight import verify_database
from {{ package_name }}.database_url import parse_database_url
from {{ package_name }}.settings import Settings

from tests.conftest import MakeClient
from tests.databases import provide_database, run_admin_sql
from tests.faults.statements import router
from tests.support import assert_problem, create_gizmo


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_statement_in_a_pooled_transaction_is_stopped(
    make_client: MakeClient, method: str
) -> None:
    overrides = {"database_pooler": "transaction", "statement_timeout": 0.5}
    async with make_client(router, **overrides) as client:
        response = await client.request(method, "/slow")

        assert_problem(response, 504, "statement-timeout")
        await create_gizmo(client)
        assert (await client.get("/gizmos")).status_code == 200


@pytest.mark.parametrize(
    ("pooler", "cure"),
    [("none", "set DATABASE_POOLER=transaction"), ("transaction", "SET statement_timeout = ")],
)
async def test_settings_that_do_not_hold_are_named(
    settings: Settings, pooler: str, cure: str
) -> None:
    async with Database.open(settings) as database, database.write_engine.connect() as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        other = settings.model_copy(update={"database_pooler": pooler})

        fault = await session_fault(connection, other, read_only=False)

    assert fault is not None
    assert "statement_timeout" in fault
    assert "lock_timeout" not in fault
    assert cure in fault


def test_a_server_that_takes_no_changes_stops_the_start(settings: Settings) -> None:
    with provide_database() as url:
        name = make_url(url).database
        read_only = f"ALTER DATABASE {name} SET default_transaction_read_only = on"
        asyncio.run(run_admin_sql(url, read_only))
        other = settings.model_copy(update={"database_url": parse_database_url(url)})

        with pytest.raises(SystemExit, match="DATABASE_URL: it takes no changes"):
            asyncio.run(verify_database(other))
