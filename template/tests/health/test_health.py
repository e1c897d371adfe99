import asyncio
from contextlib import AsyncExitStack

import httpx2
import pytest
from sqlalchemy import text

from {{ package_name }}.database.session import WriteSession
from {{ package_name }}.drain import Drain
from {{ package_name }}.health import readiness
from {{ package_name }}.health.readiness import NotReady, Readiness
from {{ package_name }}.lifespan import State
from {{ package_name }}.settings import Settings

from tests.conftest import MakeClient
from tests.support import assert_problem


@pytest.fixture(autouse=True)
def _time_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 30)


async def test_a_running_process_is_live(client: httpx2.AsyncClient) -> None:
    response = await client.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "live"})


async def test_a_migrated_database_that_answers_is_ready(client: httpx2.AsyncClient) -> None:
    response = await client.get("/health/ready")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok"},
    }


async def test_a_replica_is_checked_too(make_client: MakeClient, settings: Settings) -> None:
    async with make_client(database_read_url=settings.database_url) as client:
        response = await client.get("/health/ready")

    assert response.json()["checks"]["read_database"] == "ok"


async def set_versions(session: WriteSession, versions: list[str]) -> None:
    await session.execute(text("DELETE FROM alembic_version"))
    for version in versions:
        statement = text("INSERT INTO alembic_version (version_num) VALUES (:version)")
        await session.execute(statement, {"version": version})


async def test_pending_migrations_are_not_ready(make_client: MakeClient, state: State) -> None:
    async with state["database"].write() as session:
        current = await session.scalars(text("SELECT version_num FROM alembic_version"))
        versions = list(current)
        await set_versions(session, ["older"])
    try:
        async with make_client() as client:
            response = await client.get("/health/ready")
    finally:
        async with state["database"].write() as session:
            await set_versions(session, versions)

    body = assert_problem(response, 503, "not-ready")
    assert body["checks"] == {"database": "ok", "migrations": "failing"}


async def test_a_database_that_is_gone_is_not_ready_but_live(
    make_client: MakeClient, settings: Settings
) -> None:
    # {% if database_driver == "aiosqlite" %}
    nowhere = settings.database_url.set(database="/nowhere/hunter2.db")
    # {% else %}
    nowhere = settings.database_url.set(host="127.0.0.1", port=1, password="hunter2", query={})
    # {% endif %}
    async with make_client(database_url=nowhere) as client:
        ready = await client.get("/health/ready")
        live = await client.get("/health/live")
        gizmos = await client.get("/gizmos")

    body = assert_problem(ready, 503, "not-ready")
    assert body["checks"] == {"database": "failing", "migrations": "failing"}
    assert "hunter2" not in ready.text
    assert live.status_code == 200
    assert_problem(gizmos, 503, "database-unavailable")
    assert gizmos.headers["retry-after"] == "1"


async def test_a_draining_process_is_not_ready() -> None:
    drain = Drain()
    ready = Readiness({}, drain=drain)
    assert await ready.check() == {}

    drain.draining = True

    with pytest.raises(NotReady, match="shutting down"):
        await ready.check()


async def test_those_who_ask_together_share_one_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CACHE_SECONDS", 60)
    calls = 0

    async def check() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)

    slow = Readiness({"slow": check}, drain=Drain())

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(slow.check()) for _ in range(10)]

    assert {str(task.result()) for task in tasks} == {"{'slow': 'ok'}"}
    assert calls == 1


async def test_a_check_that_hangs_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.01)

    async def hang() -> None:
        await asyncio.sleep(60)

    hanging = Readiness({"hanging": hang}, drain=Drain())

    with pytest.raises(NotReady) as error:
        await hanging.check()

    assert error.value.members == {"checks": {"hanging": "failing"}}


async def test_checks_do_not_wait_for_busy_pools(client: httpx2.AsyncClient, state: State) -> None:
    async with AsyncExitStack() as busy:
        for _ in range(5):
            reader = await busy.enter_async_context(state["database"].read())
            await reader.execute(text("SELECT 1"))
        response = await client.get("/health/ready")

    assert response.status_code == 200
