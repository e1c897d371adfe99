"""A request that is given up leaves no statement, no connection and no half a write behind."""

import asyncio
import time

import pytest
from sqlalchemy import select

from {{ package_name }}.lifespan import State

from tests.conftest import client_of
from tests.faults.conftest import MakeService
from tests.faults.pools import assert_all_returned
from tests.faults.statements import assert_none_runs, router, until_running
from tests.sample import Gizmo
from tests.support import GIZMO, assert_problem, create_gizmo


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_statement_of_a_late_request_ends_on_the_server(
    make_service: MakeService, state: State, method: str
) -> None:
    async with (
        make_service(router, request_timeout=0.5, database_pool_size=1) as service,
        client_of(service) as client,
    ):
        start = time.monotonic()
        late = await client.request(method, "/slow")

        assert_problem(late, 504, "deadline-exceeded")
        assert late.headers["connection"] == "close"
        assert time.monotonic() - start < 5
        database = service.state["database"]
        await assert_all_returned(database, connections=1)
        await assert_none_runs(state)
        async with database.read() as reader, database.write() as writer:
            assert list(await reader.scalars(select(Gizmo.id))) == []
            writer.add(Gizmo(**GIZMO))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_cancelled_request_returns_its_connection(
    make_service: MakeService, state: State, method: str
) -> None:
    async with (
        make_service(router, database_pool_size=1) as service,
        client_of(service) as client,
    ):
        request = asyncio.ensure_future(client.request(method, "/slow"))
        await until_running(state)
        start = time.monotonic()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

        assert time.monotonic() - start < 5
        await assert_all_returned(service.state["database"], connections=1)
        await assert_none_runs(state)
        assert (await client.get("/gizmos")).json()["items"] == []
        await create_gizmo(client)
