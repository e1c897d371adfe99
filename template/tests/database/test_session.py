import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import (
    # {% if database_driver == "asyncpg" %}
    AdaptedConnection,
    # {% endif %}
    Connection,
    Delete,
    Insert,
    Update,
    delete,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IllegalStateChangeError, InvalidRequestError
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import await_only

from {{ package_name }}.database.dependencies import (
    ReadSessionDep,
    WriteSessionDep,
)
from {{ package_name }}.database.engine import Database
from {{ package_name }}.database.gate import WAITERS_PER_PERMIT
from {{ package_name }}.database.session import ReadSession
from {{ package_name }}.lifespan import State
from {{ package_name }}.problems import Conflict
from {{ package_name }}.settings import Settings

from tests.conftest import MakeClient
# {% if database_driver == "asyncpg" %}
from tests.faults.pools import OWN_NUMBER
# {% endif %}
from tests.sample import Gizmo
from tests.support import GIZMO, assert_problem, create_gizmo


async def names(state: State) -> list[str]:
    async with state["database"].read() as session:
        return list(await session.scalars(select(Gizmo.name)))


async def test_a_write_is_committed_at_the_end(state: State) -> None:
    async with state["database"].write() as session:
        session.add(Gizmo(**GIZMO))

    assert await names(state) == [GIZMO["name"]]


async def test_a_write_is_undone_by_an_error(state: State) -> None:
    async def write_and_fail() -> None:
        async with state["database"].write() as session:
            session.add(Gizmo(**GIZMO))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write_and_fail()

    assert await names(state) == []


async def test_a_commit_that_was_begun_is_awaited(state: State) -> None:
    database = state["database"]
    begun = asyncio.Event()

    def commit_slowly(_connection: Connection) -> None:
        begun.set()
        await_only(asyncio.sleep(0.05))

    async def write() -> None:
        async with database.write() as session:
            session.add(Gizmo(**GIZMO))
            await session.flush()

    event.listen(database.write_engine.sync_engine, "commit", commit_slowly)
    try:
        writing = asyncio.create_task(write())
        await begun.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    finally:
        event.remove(database.write_engine.sync_engine, "commit", commit_slowly)

    assert await names(state) == [GIZMO["name"]]
    assert database.write_gate.free == state["settings"].database_pool_size


# {% if database_driver == "asyncpg" %}
async def test_a_transaction_in_a_read_session_is_undone(settings: Settings) -> None:
    one = settings.model_copy(update={"database_pool_size": 1})
    async with Database.open(one) as database:
        async with database.read() as session:
            snapshot = {"isolation_level": "REPEATABLE READ"}
            await session.connection(execution_options=snapshot)
            await session.scalar(OWN_NUMBER)

        async with database.read_engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver
            assert not driver.is_in_transaction()


async def test_connections_of_the_overflow_are_closed_after_reads(settings: Settings) -> None:
    one = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 1})
    async with Database.open(one) as database:
        opened: list[AdaptedConnection] = []
        event.listen(
            database.read_engine.sync_engine, "connect", lambda it, _record: opened.append(it)
        )

        async with database.read() as first, database.read() as second:
            await first.scalar(OWN_NUMBER)
            await second.scalar(OWN_NUMBER)

        closed = [connection.driver_connection.is_closed() for connection in opened]
        assert sorted(closed) == [False, True]


# {% endif %}
async def test_an_answered_error_undoes_the_write(make_client: MakeClient, state: State) -> None:
    router = APIRouter()

    @router.post("/refuse")
    async def refuse(session: WriteSessionDep) -> None:
        session.add(Gizmo(**GIZMO))
        await session.flush()
        raise Conflict

    async with make_client(router) as client:
        response = await client.post("/refuse")

    assert_problem(response, 409, "conflict")
    assert await names(state) == []


async def test_the_database_refuses_to_write_in_a_read_session(state: State) -> None:
    await state["database"].add(Gizmo(**GIZMO))

    async with state["database"].read() as session:
        with pytest.raises(DBAPIError):
            await session.execute(text("DELETE FROM gizmos"))

    assert await names(state) == [GIZMO["name"]]


@pytest.mark.parametrize("statement", [insert(Gizmo), update(Gizmo), delete(Gizmo)])
async def test_a_read_session_refuses_statements_that_write(
    state: State, statement: Insert | Update | Delete
) -> None:
    async with state["database"].read() as session:
        with pytest.raises(TypeError, match="WriteSession"):
            await session.execute(statement, GIZMO)


async def test_a_read_session_refuses_changes(client: httpx2.AsyncClient, state: State) -> None:
    await create_gizmo(client)

    async with state["database"].read() as session:
        gizmo = await session.scalar(select(Gizmo))
        assert gizmo
        await session.flush()
        gizmo.note = "changed"
        with pytest.raises(TypeError, match="WriteSession"):
            await session.flush()
        with pytest.raises(TypeError, match="WriteSession"):
            await session.commit()


async def test_a_read_session_tells_that_two_tasks_use_it(settings: Settings) -> None:
    async with Database.open(settings) as database, database.read() as session:
        connecting = asyncio.create_task(session.connection())
        await asyncio.sleep(0)
        with pytest.raises(IllegalStateChangeError):
            await session.connection()
        await connecting


async def test_whoever_listens_hears_of_the_begin_of_a_read_session(state: State) -> None:
    pool = cast(QueuePool, state["database"].read_engine.pool)
    heard: list[object] = []
    async with state["database"].read() as session:
        event.listen(session.sync_session, "after_begin", lambda *it: heard.append(it))

        await session.scalar(select(1))

        assert heard
        assert session.in_transaction()
        assert pool.checkedout() == 1
    assert pool.checkedout() == 0


@pytest.mark.parametrize("end", [ReadSession.close, ReadSession.reset, ReadSession.invalidate])
async def test_the_connection_of_a_read_session_goes_back(
    state: State, end: Callable[[ReadSession], Awaitable[None]]
) -> None:
    pool = cast(QueuePool, state["database"].read_engine.pool)
    async with state["database"].read() as session:
        for _ in range(2):
            await session.scalar(select(1))
            assert pool.checkedout() == 1
            await end(session)
            assert pool.checkedout() == 0


async def test_what_was_read_belongs_to_no_session_afterwards(state: State) -> None:
    await state["database"].add(Gizmo(**GIZMO))
    async with state["database"].read() as session:
        gizmo = await session.scalar(select(Gizmo))
        assert gizmo in session

        await session.close()

    assert inspect(gizmo).detached


@pytest.mark.parametrize("end", [ReadSession.commit, ReadSession.rollback])
async def test_a_read_session_ends_what_its_connection_has_begun(
    state: State, end: Callable[[ReadSession], Awaitable[None]]
) -> None:
    async with state["database"].read() as session:
        connection = await session.connection(execution_options={"preserve_rowcount": True})
        await session.scalar(select(1))
        assert connection.in_transaction()

        await end(session)

        assert not connection.in_transaction()
        current = session.sync_session.current_connection
        assert current
        assert current.get_execution_options()["preserve_rowcount"]
# {% if database_driver != "aiosqlite" %}


@pytest.mark.parametrize("end", [ReadSession.commit, ReadSession.rollback])
async def test_a_read_session_may_read_at_one_point_in_time(
    state: State, end: Callable[[ReadSession], Awaitable[None]]
) -> None:
    async with state["database"].read() as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        assert not list(await session.scalars(select(Gizmo.id)))
        await state["database"].add(Gizmo(**GIZMO))
        assert not list(await session.scalars(select(Gizmo.id)))

        await end(session)

        assert list(await session.scalars(select(Gizmo.id)))
# {% endif %}


async def test_a_read_session_refuses_objects(state: State) -> None:
    async with state["database"].read() as session:
        with pytest.raises(TypeError, match="WriteSession"):
            session.add(Gizmo(**GIZMO))
        with pytest.raises(TypeError, match="WriteSession"):
            session.add_all([Gizmo(**GIZMO)])


async def test_what_is_not_loaded_is_an_error(client: httpx2.AsyncClient, state: State) -> None:
    await create_gizmo(client)

    async with state["database"].read() as session:
        gizmo = await session.scalar(select(Gizmo))
        assert gizmo is not None
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = gizmo.cogs


async def test_a_defect_in_a_statement_is_a_defect(make_client: MakeClient) -> None:
    router = APIRouter()

    @router.get("/broken")
    async def broken(session: ReadSessionDep) -> None:
        await session.execute(text("SELECT hunter2 FROM nowhere"))

    async with make_client(router) as client:
        response = await client.get("/broken")

    assert_problem(response, 500, "internal-error")
    assert "hunter2" not in response.text


async def test_too_many_requests_are_refused(make_client: MakeClient) -> None:
    router = APIRouter()
    release = asyncio.Event()

    @router.get("/hold")
    async def hold(session: ReadSessionDep) -> None:
        await session.execute(text("SELECT 1"))
        await release.wait()

    async with (
        make_client(
            router, database_pool_size=1, database_max_overflow=0, database_pool_timeout=30
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        requests = [client.get("/hold") for _ in range(1 + WAITERS_PER_PERMIT)]
        holders = [group.create_task(request) for request in requests]
        await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            refused = await client.get("/gizmos")
        release.set()
        assert {(await holder).status_code for holder in holders} == {200}

        assert (await client.get("/gizmos")).status_code == 200

    assert_problem(refused, 503, "overloaded")
    assert refused.headers["retry-after"] == "1"
