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
from {{ package_name }}.database.faults import Fault
from {{ package_name }}.lifespan import State
from {{ package_name }}.models import User
from {{ package_name }}.settings import Settings

from tests.conftest import MakeClient
# {% if database_driver == "aiosqlite" %}
from tests.support import ADA, assert_problem, create_user
# {% else %}
from tests.support import ADA, assert_problem, create_user, create_users
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
    async with make_client(router, database_pool_size=1, statement_timeout=0.1) as client:
        response = await client.request(method, "/slow")

        assert_problem(response, 504, "statement-timeout")
        assert (await client.get("/users")).status_code == 200
        await create_user(client)


async def test_a_wait_for_a_lock_is_stopped(
    make_client: MakeClient, client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_user(client)
    async with make_client(lock_timeout=0.1) as other, state["database"].write() as session:
        await session.execute(update(User).values(full_name="Locked"))

        response = await other.patch(f"/users/{user['id']}", json={"full_name": "Waiting"})

    assert_problem(response, 503, "lock-timeout")
    assert response.headers["retry-after"] == "1"
# {% if database_driver != "aiosqlite" %}


async def test_a_deadlock_is_known(client: httpx2.AsyncClient, state: State) -> None:
    first, second = [UUID(user["id"]) for user in await create_users(client, 2)]
    faults: list[Fault] = []
    both_locked = asyncio.Barrier(2)

    async def lock(*ids: UUID) -> None:
        try:
            async with state["database"].write() as session:
                for user_id in ids:
                    await session.execute(
                        update(User).where(User.id == user_id).values(full_name="Locked")
                    )
                    if user_id == ids[0]:
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
            group.create_task(writer.post("/users", json=ADA | {"email": f"{number}@example.com"}))
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
    await create_user(client)
    engine = state["database"].write_engine.execution_options(isolation_level="REPEATABLE READ")
    rename = update(User).values(full_name="Renamed")

    async with engine.connect() as connection:
        await connection.execute(select(User))
        async with state["database"].write() as session:
            await session.execute(rename)
        with pytest.raises(DBAPIError) as error:
            await connection.execute(rename)

    assert fault_of(error.value) is Fault.SERIALIZATION
# {% endif %}


ORDER_OF_NOBODY = """
    INSERT INTO orders (id, created_at, user_id, item, quantity)
    SELECT id, created_at, '00000000000000000000000000000000', 'x', 1 FROM users
"""


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (ORDER_OF_NOBODY, Fault.INTEGRITY),
        ("INSERT INTO users SELECT * FROM users", Fault.DUPLICATE),
        ("INSERT INTO users (id) SELECT id FROM users", Fault.INTEGRITY),
        ("SELECT * FROM nowhere", Fault.OTHER),
    ],
)
async def test_an_error_has_its_meaning(
    client: httpx2.AsyncClient, state: State, statement: str, fault: Fault
) -> None:
    await create_user(client)

    with pytest.raises(DBAPIError) as error:
        async with state["database"].write() as session:
            await session.execute(text(statement))

    assert fault_of(error.value) is fault


async def test_ids_and_times_survive_the_round_trip(state: State) -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=india)
    user = User(**ADA, id=uuid4(), created_at=moment)
    async with state["database"].write() as session:
        session.add(user)

    async with state["database"].read() as session:
        read = await session.scalar(select(User))

    assert read is not None
    assert read.id == user.id
    assert read.created_at == moment
    assert read.created_at.utcoffset() == timedelta(0)
# {% if not postgresql %}


async def test_a_time_without_a_zone_is_refused(state: State) -> None:
    with pytest.raises(StatementError, match="naive"):
        async with state["database"].write() as session:
            session.add(User(**ADA, created_at=datetime(2024, 2, 29)))  # noqa: DTZ001 - the case
# {% endif %}


async def test_ids_sort_like_in_python(client: httpx2.AsyncClient, state: State) -> None:
    ids = [uuid4() for _ in range(50)]
    rows = [
        {"id": user_id, "email": f"{user_id}@example.com", "full_name": "x", "created_at": NOW}
        for user_id in ids
    ]
    async with state["database"].write() as session:
        await session.execute(insert(User), rows)

    first = (await client.get("/users", params={"limit": 30})).json()
    params = {"limit": 30, "cursor": first["next_cursor"]}
    second = (await client.get("/users", params=params)).json()

    assert [UUID(user["id"]) for user in first["items"] + second["items"]] == sorted(ids)


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
