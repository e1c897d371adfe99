"""What the service expects of the driver and its database, asked of the real ones."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import insert, select, text, update
# {% if postgresql %}
from sqlalchemy.exc import DBAPIError
# {% else %}
from sqlalchemy.exc import DBAPIError, StatementError
# {% endif %}

from {{ package_name }}.database.dependencies import (
    ReadSessionDep,
    WriteSessionDep,
)
from {{ package_name }}.database.driver import fault_of
# {% if database_driver == "asyncmy" %}
from {{ package_name }}.database.engine import Database
# {% endif %}
from {{ package_name }}.database.faults import Fault
from {{ package_name }}.lifespan import State
from {{ package_name }}.settings import Settings

from tests.conftest import MakeClient
from tests.sample import Gizmo
# {% if database_driver == "aiosqlite" %}
from tests.support import GIZMO, assert_problem, create_gizmo
# {% else %}
from tests.support import GIZMO, assert_problem, create_gizmo, create_gizmos
# {% endif %}

# {% if postgresql %}
SLOW = "SELECT pg_sleep(60)"
# {% elif database_driver == "asyncmy" %}
SLOW = "SELECT SLEEP(60)"
# {% else %}
SLOW = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
    SELECT max(n) FROM numbers
"""
# {% endif %}

router = APIRouter()


@router.get("/slow")
async def slow_read(session: ReadSessionDep) -> None:
    await session.execute(text(SLOW))


@router.post("/slow")
async def slow_write(session: WriteSessionDep) -> None:
    await session.execute(text(SLOW))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_statement_that_takes_too_long_is_stopped(
    make_client: MakeClient, method: str
) -> None:
    async with make_client(router, database_pool_size=1, statement_timeout=1) as client:
        response = await client.request(method, "/slow")

        assert_problem(response, 504, "statement-timeout")
        assert (await client.get("/gizmos")).status_code == 200
        await create_gizmo(client)


async def test_a_wait_for_a_lock_is_stopped(
    make_client: MakeClient, client: httpx2.AsyncClient, state: State
) -> None:
    gizmo = await create_gizmo(client)
    async with make_client(lock_timeout=0.1) as other, state["database"].write() as session:
        await session.execute(update(Gizmo).values(note="Locked"))

        response = await other.delete(f"/gizmos/{gizmo['id']}")

    assert_problem(response, 503, "lock-timeout")
    assert response.headers["retry-after"] == "1"
# {% if database_driver != "aiosqlite" %}


async def test_a_deadlock_is_known(client: httpx2.AsyncClient, state: State) -> None:
    first, second = [UUID(gizmo["id"]) for gizmo in await create_gizmos(client, 2)]
    faults: list[Fault] = []
    both_locked = asyncio.Barrier(2)

    async def lock(*ids: UUID) -> None:
        try:
            async with state["database"].write() as session:
                for gizmo_id in ids:
                    await session.execute(
                        update(Gizmo).where(Gizmo.id == gizmo_id).values(note="Locked")
                    )
                    if gizmo_id == ids[0]:
                        await both_locked.wait()
        except DBAPIError as error:
            faults.append(fault_of(error))

    async with asyncio.TaskGroup() as group:
        group.create_task(lock(first, second))
        group.create_task(lock(second, first))

    assert faults == [Fault.DEADLOCK]
# {% else %}


async def test_writers_queue(make_client: MakeClient) -> None:
    async with make_client() as client, make_client() as other, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(writer.post("/gizmos", json=GIZMO | {"name": f"Gizmo {number}"}))
            for number in range(20)
            for writer in (client if number % 2 else other,)
        ]

    assert {task.result().status_code for task in tasks} == {201}


async def test_the_database_lets_readers_go_on(state: State) -> None:
    async with state["database"].read() as session:
        settings = [
            await session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "foreign_keys", "query_only")
        ]

    assert settings == ["wal", 1, 1]
# {% endif %}
# {% if postgresql %}


async def test_a_serialization_failure_is_known(client: httpx2.AsyncClient, state: State) -> None:
    await create_gizmo(client)
    engine = state["database"].write_engine.execution_options(isolation_level="REPEATABLE READ")
    rename = update(Gizmo).values(note="Renamed")

    async with engine.connect() as connection:
        await connection.execute(select(Gizmo))
        async with state["database"].write() as session:
            await session.execute(rename)
        with pytest.raises(DBAPIError) as error:
            await connection.execute(rename)

    assert fault_of(error.value) is Fault.SERIALIZATION
# {% endif %}


COG_OF_NOTHING = """
    INSERT INTO cogs (id, created_at, gizmo_id)
    SELECT id, created_at, '00000000000000000000000000000000' FROM gizmos
"""


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (COG_OF_NOTHING, Fault.INTEGRITY),
        ("INSERT INTO gizmos SELECT * FROM gizmos", Fault.DUPLICATE),
        ("INSERT INTO gizmos (id) SELECT id FROM gizmos", Fault.INTEGRITY),
        ("SELECT * FROM nowhere", Fault.OTHER),
    ],
)
async def test_an_error_has_its_meaning(
    client: httpx2.AsyncClient, state: State, statement: str, fault: Fault
) -> None:
    await create_gizmo(client)

    with pytest.raises(DBAPIError) as error:
        async with state["database"].write() as session:
            await session.execute(text(statement))

    assert fault_of(error.value) is fault


async def test_ids_and_times_survive_the_round_trip(state: State) -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=india)
    gizmo = Gizmo(**GIZMO, id=uuid4(), created_at=moment)
    async with state["database"].write() as session:
        session.add(gizmo)

    async with state["database"].read() as session:
        read = await session.scalar(select(Gizmo))

    assert read is not None
    assert read.id == gizmo.id
    assert read.created_at == moment
    assert read.created_at.utcoffset() == timedelta(0)
# {% if not postgresql %}


async def test_a_time_without_a_zone_is_refused(state: State) -> None:
    with pytest.raises(StatementError, match="naive"):
        async with state["database"].write() as session:
            session.add(Gizmo(**GIZMO, created_at=datetime(2024, 2, 29)))  # noqa: DTZ001 - the case
# {% endif %}


async def test_ids_sort_like_in_python(client: httpx2.AsyncClient, state: State) -> None:
    ids = [uuid4() for _ in range(50)]
    rows = [
        {"id": gizmo_id, "name": str(gizmo_id), "note": "x", "created_at": NOW} for gizmo_id in ids
    ]
    async with state["database"].write() as session:
        await session.execute(insert(Gizmo), rows)

    first = (await client.get("/gizmos", params={"limit": 30})).json()
    params = {"limit": 30, "cursor": first["next_cursor"]}
    second = (await client.get("/gizmos", params=params)).json()

    assert [UUID(gizmo["id"]) for gizmo in first["items"] + second["items"]] == sorted(ids)


NOW = datetime.now(UTC)
# {% if postgresql %}


async def test_connections_carry_the_name_of_the_service(state: State) -> None:
    async with state["database"].read() as session:
        name = await session.scalar(text("SHOW application_name"))

    assert name == "{{ package_name }}"
# {% endif %}


async def test_settings_reach_the_engine(settings: Settings, state: State) -> None:
    pool = state["database"].write_engine.pool

    assert pool.size() == settings.database_pool_size  # type: ignore[attr-defined]  # of this pool
# {% if database_driver == "asyncmy" %}


async def test_a_read_is_one_round_trip(settings: Settings) -> None:
    one = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    async with Database.open(one) as database:

        async def rollbacks() -> int:
            async with database.read() as session:
                status = await session.execute(text("SHOW SESSION STATUS LIKE 'Com_rollback'"))
                return int(status.one()[1])

        first = await rollbacks()

        assert await rollbacks() == first
# {% endif %}
