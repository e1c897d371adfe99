"""Of more requests than the pool can serve, some are served at its pace, the others refused."""

import asyncio
import time

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import text

from {{ package_name }}.database.dependencies import (
    DatabaseDep,
    ReadSessionDep,
)
# {% if health_checks %}
from {{ package_name }}.health import readiness
# {% endif %}

from tests.conftest import client_of
from tests.faults.conftest import MakeService
from tests.support import assert_problem

CONNECTIONS = 5
HOLD_SECONDS = 0.04
POOL_TIMEOUT = 5.0

router = APIRouter()


@router.get("/hold")
async def hold(session: ReadSessionDep) -> None:
    await session.execute(text("SELECT 1"))
    await asyncio.sleep(HOLD_SECONDS)


@router.get("/past-the-gate")
async def past_the_gate(database: DatabaseDep) -> None:
    async with database.read_engine.connect(), database.read_engine.connect():
        pass


async def timed_get(client: httpx2.AsyncClient, path: str) -> tuple[httpx2.Response, float]:
    start = time.monotonic()
    response = await client.get(path)
    return response, time.monotonic() - start


async def test_too_many_requests_are_served_in_part_and_refused_in_time(
    make_service: MakeService,
    # {% if health_checks %}
    monkeypatch: pytest.MonkeyPatch,
    # {% endif %}
) -> None:
    # {% if health_checks %}
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 30)
    # {% endif %}
    overrides = {"database_pool_size": CONNECTIONS, "database_pool_timeout": POOL_TIMEOUT}
    async with (
        make_service(router, database_max_overflow=0, **overrides) as service,
        client_of(service) as client,
    ):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(timed_get(client, "/hold")) for _ in range(200)]
            # {% if health_checks %}
            await asyncio.sleep(HOLD_SECONDS)
            ready = await client.get("/health/ready")
            # {% endif %}
        after = await client.get("/gizmos")

    answers = [task.result() for task in tasks]
    served = [response for response, _ in answers if response.status_code == 200]
    refused = [(response, seconds) for response, seconds in answers if response not in served]
    assert len(served) > CONNECTIONS
    assert refused
    for response, seconds in refused:
        assert_problem(response, 503, "overloaded")
        assert response.headers["retry-after"] == "1"
        assert seconds < POOL_TIMEOUT
    # {% if health_checks %}
    assert ready.status_code == 200
    # {% endif %}
    assert after.status_code == 200


async def test_a_request_past_the_gate_is_refused_in_time_too(
    make_service: MakeService, capfd: pytest.CaptureFixture[str]
) -> None:
    overrides = {"database_pool_size": 1, "database_pool_timeout": 0.1}
    async with (
        make_service(router, database_max_overflow=0, **overrides) as service,
        client_of(service) as client,
    ):
        response, seconds = await timed_get(client, "/past-the-gate")
        async with asyncio.timeout(30):
            # It is the time to connect, too, and may be too short for the first connection.
            while response.json()["type"] == "urn:problem:database-unavailable":
                response, seconds = await timed_get(client, "/past-the-gate")

    assert_problem(response, 503, "overloaded")
    assert response.headers["retry-after"] == "1"
    assert seconds < POOL_TIMEOUT
    assert "no connection left past the gate" in capfd.readouterr().out
