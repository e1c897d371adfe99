"""The database goes, hangs, and comes back; its users wait no longer than they must."""

import asyncio
import time
from typing import Any

import httpx2
import pytest

from {{ package_name }}.database import pools
# {% if health_checks %}
from {{ package_name }}.health import readiness
# {% endif %}
from {{ package_name }}.lifespan import State
from {{ package_name }}.settings import Settings

from tests.conftest import client_of
from tests.databases import end_connections
from tests.faults.conftest import MakeService
from tests.faults.network import Network
from tests.faults.statements import router, until_running
from tests.support import GIZMO, assert_problem, create_gizmo

CONNECTIONS = 3


async def until_served(client: httpx2.AsyncClient, method: str, path: str, **content: Any) -> None:
    """Ask until it is served: short waits may be too short for a database that is well, too."""
    async with asyncio.timeout(30):
        while not (await client.request(method, path, **content)).is_success:
            pass


async def timed(
    client: httpx2.AsyncClient, method: str, path: str, **content: Any
) -> tuple[httpx2.Response, float]:
    start = time.monotonic()
    response = await client.request(method, path, **content)
    return response, time.monotonic() - start


async def read_together(client: httpx2.AsyncClient) -> set[int]:
    """Read on all connections of the pool, and return the answers."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.get("/gizmos")) for _ in range(CONNECTIONS)]
    return {task.result().status_code for task in tasks}


@pytest.fixture(autouse=True)
def _pools_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the last request were a while ago."""
    monkeypatch.setattr(pools, "QUIET_SECONDS", 0)
# {% if health_checks %}


@pytest.fixture(autouse=True)
def _short_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.5)
    monkeypatch.setattr(readiness, "CACHE_SECONDS", 0)
# {% endif %}


async def test_connections_that_were_ended_reach_nobody(
    make_service: MakeService, database_url: str
) -> None:
    async with make_service() as service, client_of(service) as client:
        await create_gizmo(client)
        assert await read_together(client) == {200}

        await end_connections(database_url)

        assert await read_together(client) == {200}
        await create_gizmo(client, name="Second")


async def test_connections_that_the_network_has_forgotten_reach_nobody(
    make_service: MakeService, settings: Settings
) -> None:
    small = {"database_pool_size": CONNECTIONS, "database_pool_timeout": 2}
    async with (
        Network.before(settings.database_url) as (network, url),
        make_service(database_url=url, **small) as service,
        client_of(service) as client,
    ):
        await create_gizmo(client)
        assert await read_together(client) == {200}

        network.forget()

        first, seconds = await timed(client, "GET", "/gizmos")
        assert first.status_code == 200
        assert seconds < 2
        assert await read_together(client) == {200}
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
        async with asyncio.TaskGroup() as group:
            read = group.create_task(timed(client, "GET", "/gizmos"))
            write = group.create_task(timed(client, "POST", "/gizmos", json=GIZMO))
            # {% if health_checks %}
            check = group.create_task(timed(client, "GET", "/health/ready"))
        live = await client.get("/health/live")
        # {% endif %}

        network.mend()
        assert len((await client.get("/gizmos")).json()["items"]) == 1
        # {% if health_checks %}
        await until_served(client, "GET", "/health/ready")
        # {% endif %}

    for response, seconds in (read.result(), write.result()):
        assert_problem(response, 503, "database-unavailable")
        assert seconds < 2
    # {% if health_checks %}
    ready, seconds = check.result()
    body = assert_problem(ready, 503, "not-ready")
    assert body["checks"] == {"database": "failing", "migrations": "failing", "pools": "ok"}
    assert seconds < 2
    assert live.status_code == 200
    # {% endif %}


async def test_a_database_that_hangs_in_a_statement_holds_nobody_up(
    make_service: MakeService, settings: Settings, state: State
) -> None:
    async with (
        Network.before(settings.database_url) as (network, url),
        make_service(router, database_url=url, request_timeout=1.5) as service,
        client_of(service) as client,
    ):
        async with asyncio.TaskGroup() as group:
            read = group.create_task(timed(client, "GET", "/slow"))
            write = group.create_task(timed(client, "POST", "/slow"))
            await until_running(state, statements=2)
            network.hang()
        network.mend()
    # The server knows nothing yet: it still holds what the transaction has locked.
    await end_connections(settings.database_url)

    for response, seconds in (read.result(), write.result()):
        assert_problem(response, 504, "deadline-exceeded")
        # It ends two seconds late at most, since the driver takes leave of the server.
        assert seconds < 1.5 + 2 + 1
# {% if database_driver == "asyncpg" %}


async def test_a_statement_of_a_database_that_hangs_has_its_own_end(
    make_service: MakeService, settings: Settings, state: State
) -> None:
    async with (
        Network.before(settings.database_url) as (network, url),
        make_service(router, database_url=url, statement_timeout=0.5) as service,
        client_of(service) as client,
    ):
        request = asyncio.ensure_future(timed(client, "GET", "/slow"))
        await until_running(state)
        network.hang()
        response, seconds = await request
        network.mend()
    await end_connections(settings.database_url)

    assert_problem(response, 504, "statement-timeout")
    assert seconds < 6
# {% endif %}


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
