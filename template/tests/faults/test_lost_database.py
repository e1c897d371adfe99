"""The database goes, hangs, and comes back; its users wait no longer than they must."""

import asyncio
import time
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter
from starlette.types import Message

from {{ package_name }}.database import engine
from {{ package_name }}.database.dependencies import ReadSessionDep
# {% if health_checks %}
from {{ package_name }}.health import readiness
# {% endif %}
from {{ package_name }}.lifespan import State
from {{ package_name }}.settings import Settings

from tests.conftest import client_of
from tests.databases import end_connections
from tests.faults.conftest import MakeService
from tests.faults.network import Network
from tests.faults.pools import in_use
from tests.faults.statements import SLOW, until_one_runs
from tests.support import GIZMO, assert_problem, create_gizmo

router = APIRouter()


@router.get("/slow")
async def slow(session: ReadSessionDep) -> None:
    await session.execute(SLOW)


GET_SLOW = {
    "type": "http",
    "method": "GET",
    "path": "/slow",
    "query_string": b"",
    "headers": [],
}


async def wait_for_ever() -> Message:
    await asyncio.sleep(3600)
    raise TimeoutError


async def until_served(client: httpx2.AsyncClient, method: str, path: str, **content: Any) -> None:
    """Ask until it is served: short waits may be too short for a database that is well, too."""
    async with asyncio.timeout(30):
        while not (await client.request(method, path, **content)).is_success:
            pass


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PING_AFTER_SECONDS", 0)
    monkeypatch.setattr(engine, "PING_SECONDS", 0.2)
    # {% if health_checks %}
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.4)
    monkeypatch.setattr(readiness, "CACHE_SECONDS", 0)
    # {% endif %}


async def test_connections_that_were_ended_reach_nobody(
    make_service: MakeService, database_url: str
) -> None:
    async with make_service() as service, client_of(service) as client:
        await create_gizmo(client)
        assert len((await client.get("/gizmos")).json()["items"]) == 1

        await end_connections(database_url)

        assert len((await client.get("/gizmos")).json()["items"]) == 1
        await create_gizmo(client, name="Second")


async def test_connections_that_the_network_has_forgotten_reach_nobody(
    make_service: MakeService, settings: Settings
) -> None:
    async with (
        Network.before(settings.database_url) as (network, url),
        make_service(database_url=url) as service,
        client_of(service) as client,
    ):
        await create_gizmo(client)
        assert len((await client.get("/gizmos")).json()["items"]) == 1

        network.forget()

        assert len((await client.get("/gizmos")).json()["items"]) == 1
        await create_gizmo(client, name="Second")


async def test_a_database_that_hangs_holds_nobody_up(
    make_service: MakeService, settings: Settings
) -> None:
    async with (
        Network.before(settings.database_url) as (network, url),
        make_service(database_url=url, database_pool_timeout=1) as service,
        client_of(service) as client,
    ):
        await until_served(client, "GET", "/gizmos")
        await until_served(client, "POST", "/gizmos", json=GIZMO)
        # {% if health_checks %}
        await until_served(client, "GET", "/health/ready")
        # {% endif %}

        network.hang()
        start = time.monotonic()
        read = await client.get("/gizmos")
        write = await client.post("/gizmos", json=GIZMO)
        seconds = time.monotonic() - start
        # {% if health_checks %}
        start = time.monotonic()
        ready = await client.get("/health/ready")
        seconds_of_check = time.monotonic() - start
        live = await client.get("/health/live")
        # {% endif %}

        network.mend()
        assert len((await client.get("/gizmos")).json()["items"]) == 1
        # {% if health_checks %}
        await until_served(client, "GET", "/health/ready")
        # {% endif %}

    assert_problem(read, 503, "database-unavailable")
    assert_problem(write, 503, "database-unavailable")
    assert seconds < 10
    # {% if health_checks %}
    body = assert_problem(ready, 503, "not-ready")
    assert body["checks"] == {"database": "failing", "migrations": "failing"}
    assert seconds_of_check < 5
    assert live.status_code == 200
    # {% endif %}


async def test_a_database_that_hangs_in_a_statement_holds_nobody_up(
    make_service: MakeService, settings: Settings, state: State
) -> None:
    async with (
        Network.before(settings.database_url) as (network, url),
        make_service(router, database_url=url, request_timeout=3) as service,
    ):
        answered: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                connections = in_use(service.state["database"].read_engine)
                answered.set_result((message["status"], connections))

        request = asyncio.ensure_future(service({**GET_SLOW}, wait_for_ever, send))
        await until_one_runs(state)
        network.hang()
        status, connections = await answered

        network.mend()
        await request

    assert status == 504
    # The answer was sent before the connection was back, which takes as long as the database.
    assert connections == 1


async def test_a_database_that_is_gone_is_told_at_once(
    make_service: MakeService, settings: Settings
) -> None:
    async with (
        Network.before(settings.database_url) as (network, url),
        make_service(database_url=url) as service,
        client_of(service) as client,
    ):
        await create_gizmo(client)
        network.refuse()

        assert_problem(await client.get("/gizmos"), 503, "database-unavailable")

        network.mend()
        assert len((await client.get("/gizmos")).json()["items"]) == 1
