import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from {{ package_name }}.database.dependencies import (
    ReadSessionDep,
    WriteSessionDep,
)
from {{ package_name }}.database.gate import WAITERS_PER_PERMIT
from {{ package_name }}.database.session import ReadSession, WriteSession
from {{ package_name }}.lifespan import State
from {{ package_name }}.web.problems import Conflict

from tests.conftest import MakeClient
from tests.faults.pools import in_use
from tests.sample import Gizmo
from tests.support import GIZMO, assert_problem, create_gizmo, names_of_gizmos


async def test_a_write_is_committed_at_the_end(state: State) -> None:
    async with state["database"].write() as session:
        session.add(Gizmo(**GIZMO))

    assert await names_of_gizmos(state) == [GIZMO["name"]]


async def test_a_write_is_undone_by_an_error(state: State) -> None:
    async def write_and_fail() -> None:
        async with state["database"].write() as session:
            session.add(Gizmo(**GIZMO))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write_and_fail()

    assert await names_of_gizmos(state) == []


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
    assert await names_of_gizmos(state) == []


async def test_the_database_refuses_to_write_in_a_read_session(
    client: httpx2.AsyncClient, state: State
) -> None:
    await create_gizmo(client)

    async with state["database"].read() as session:
        with pytest.raises(DBAPIError):
            await session.execute(text("DELETE FROM gizmos"))

    assert await names_of_gizmos(state) == [GIZMO["name"]]


async def add(session: ReadSession, gizmo: Gizmo) -> None:
    session.add(Gizmo(name=f"Not {gizmo.name}", note=gizmo.note))


async def change(_session: ReadSession, gizmo: Gizmo) -> None:
    gizmo.note = "Changed"


async def delete(session: ReadSession, gizmo: Gizmo) -> None:
    await session.delete(gizmo)


@pytest.mark.parametrize("write", [add, change, delete])
async def test_a_read_session_refuses_changes(
    client: httpx2.AsyncClient, state: State, write: Callable[[ReadSession, Gizmo], Any]
) -> None:
    await create_gizmo(client)

    async def read_and_write() -> None:
        async with state["database"].read() as session:
            await write(session, (await session.scalars(select(Gizmo))).one())

    with pytest.raises(TypeError, match="WriteSession"):
        await read_and_write()


@pytest.mark.parametrize("kind", [ReadSession, WriteSession])
async def test_a_session_that_is_used_after_its_request_takes_no_connection(
    state: State, kind: type[ReadSession | WriteSession]
) -> None:
    database = state["database"]
    open_session = database.read if kind is ReadSession else database.write
    async with open_session() as session:
        assert isinstance(session, kind)
        await session.scalar(select(1))

    with pytest.raises(InvalidRequestError, match="closed"):
        await session.scalar(select(1))

    assert not in_use(database.read_engine)
    assert not in_use(database.write_engine)


async def test_what_is_not_loaded_is_an_error(client: httpx2.AsyncClient, state: State) -> None:
    await create_gizmo(client)

    async with state["database"].read() as session:
        gizmo = await session.scalar(select(Gizmo))
        assert gizmo is not None
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = gizmo.cogs


async def test_a_read_session_streams(client: httpx2.AsyncClient, state: State) -> None:
    await create_gizmo(client)

    async with state["database"].read() as session:
        await session.scalar(select(1))
        names = [name async for name in await session.stream_scalars(select(Gizmo.name))]

    assert names == [GIZMO["name"]]


# {% if database_driver != "aiosqlite" %}
async def test_a_read_session_may_begin_a_transaction(state: State) -> None:
    async with state["database"].read() as session, session.begin():
        connection = await session.connection()
        async with session.begin_nested():
            assert await session.connection() is connection

        assert await connection.get_isolation_level() == "REPEATABLE READ"


# {% endif %}
async def test_too_many_requests_are_refused(make_client: MakeClient) -> None:
    router = APIRouter()
    release = asyncio.Event()

    @router.get("/hold")
    async def hold(session: ReadSessionDep) -> None:
        await session.execute(text("SELECT 1"))
        await release.wait()

    overrides = {"database_pool_size": 1, "database_max_overflow": 0, "database_pool_timeout": 30}
    async with make_client(router, **overrides) as client, asyncio.TaskGroup() as group:
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
