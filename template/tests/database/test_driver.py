"""What the service expects of the driver and its database, asked of the real ones."""

# {% if database_driver == "aiosqlite" %}
import asyncio
# {% endif %}
# {% if not postgresql %}
from datetime import datetime, timedelta, timezone
from uuid import uuid4

# {% endif %}
import httpx2
import pytest
# {% if postgresql %}
from sqlalchemy import Integer, bindparam, cast, select, text, update
from sqlalchemy.exc import DBAPIError
# {% else %}
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, StatementError
# {% endif %}

from {{ package_name }}.database.driver import fault_of, place_of
# {% if database_driver == "asyncmy" %}
from {{ package_name }}.database.engine import Database
# {% endif %}
from {{ package_name }}.database.faults import Fault
from {{ package_name }}.lifespan import State
# {% if database_driver == "asyncmy" %}
from {{ package_name }}.settings import Settings
# {% endif %}

from tests.conftest import MakeClient
from tests.faults.statements import router
from tests.sample import Gizmo
# {% if postgresql %}
from tests.support import assert_problem, create_gizmo
# {% else %}
from tests.support import GIZMO, assert_problem, create_gizmo
# {% endif %}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_statement_that_takes_too_long_is_stopped(
    make_client: MakeClient, method: str
) -> None:
    async with make_client(router, database_pool_size=1, statement_timeout=0.5) as client:
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
# {% if database_driver == "aiosqlite" %}


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


async def test_a_value_that_is_refused_leaves_no_statement_behind(state: State) -> None:
    database = state["database"]
    async with database.read_engine.connect() as connection:
        process = await connection.scalar(text("SELECT pg_backend_pid()"))
        with pytest.raises(DBAPIError) as error:
            await connection.execute(select(cast(bindparam("n", 2**40), Integer)))
    async with database.write() as session:
        activity = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
        state_of_process = await session.scalar(activity, {"pid": process})

    assert fault_of(error.value) is Fault.BAD_VALUE
    assert state_of_process == "idle"
# {% endif %}


COG_OF_NOTHING = """
    INSERT INTO cogs (id, created_at, gizmo_id)
    SELECT id, created_at, '00000000000000000000000000000000' FROM gizmos
"""
SAME_GIZMO = "INSERT INTO gizmos SELECT * FROM gizmos"
EMPTY_GIZMO = "INSERT INTO gizmos (id) VALUES ('00000000000000000000000000000000')"
# {% if postgresql %}
GIZMOS = {"table_name": "gizmos"}
COGS = {"table_name": "cogs", "constraint_name": "fk_cogs_gizmo_id_gizmos"}
ERRORS = [
    (COG_OF_NOTHING, Fault.REFERENCE, COGS),
    (SAME_GIZMO, Fault.DUPLICATE, GIZMOS | {"constraint_name": "pk_gizmos"}),
    (EMPTY_GIZMO, Fault.INTEGRITY, GIZMOS | {"column_name": "name"}),
    ("UPDATE gizmos SET name = repeat('x', 201)", Fault.BAD_VALUE, {}),
    ("SELECT * FROM nowhere", Fault.OTHER, {}),
]
# {% elif database_driver == "asyncmy" %}
ERRORS = [
    (COG_OF_NOTHING, Fault.REFERENCE, {"constraint_name": "fk_cogs_gizmo_id_gizmos"}),
    (SAME_GIZMO, Fault.DUPLICATE, {"constraint_name": "PRIMARY"}),
    (EMPTY_GIZMO, Fault.INTEGRITY, {"constraint_name": "name"}),
    ("UPDATE gizmos SET name = repeat('x', 201)", Fault.BAD_VALUE, {"constraint_name": "name"}),
    ("SELECT * FROM nowhere", Fault.OTHER, {}),
]
# {% else %}
ERRORS = [
    (COG_OF_NOTHING, Fault.REFERENCE, {}),
    (SAME_GIZMO, Fault.DUPLICATE, {"constraint_name": "gizmos.name"}),
    (EMPTY_GIZMO, Fault.INTEGRITY, {"constraint_name": "gizmos.name"}),
    ("SELECT * FROM nowhere", Fault.OTHER, {}),
]
# {% endif %}


@pytest.mark.parametrize(("statement", "fault", "place"), ERRORS)
async def test_an_error_has_its_meaning_and_its_place(
    client: httpx2.AsyncClient, state: State, statement: str, fault: Fault, place: dict[str, str]
) -> None:
    await create_gizmo(client)

    with pytest.raises(DBAPIError) as error:
        async with state["database"].write() as session:
            await session.execute(text(statement))

    assert (fault_of(error.value), place_of(error.value)) == (fault, place)
# {% if not postgresql %}


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


async def test_a_time_without_a_zone_is_refused(state: State) -> None:
    with pytest.raises(StatementError, match="naive"):
        async with state["database"].write() as session:
            session.add(Gizmo(**GIZMO, created_at=datetime(2024, 2, 29)))  # noqa: DTZ001 - the case
# {% endif %}
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
