import asyncio
from contextlib import AsyncExitStack
from types import SimpleNamespace

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from {{ package_name }}.database import pools
from {{ package_name }}.database.dependencies import DatabaseDep
from {{ package_name }}.health import readiness
from {{ package_name }}.health.readiness import NotReady, Readiness
from {{ package_name }}.lifespan import State
from {{ package_name }}.server.drain import Drain
from {{ package_name }}.settings import Settings

from tests.conftest import MakeClient
from tests.support import assert_problem

OK = {"database": "ok", "migrations": "ok", "pools": "ok"}


@pytest.fixture(autouse=True)
def _time_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 30)


async def test_a_running_process_is_live(client: httpx2.AsyncClient) -> None:
    response = await client.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "live"})


async def test_a_migrated_database_that_answers_is_ready(client: httpx2.AsyncClient) -> None:
    response = await client.get("/health/ready")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": OK}


async def test_a_replica_is_checked_too(make_client: MakeClient, settings: Settings) -> None:
    async with make_client(database_read_url=settings.database_url) as client:
        response = await client.get("/health/ready")

    assert response.json()["checks"] == OK | {"read_database": "ok"}


@pytest.mark.parametrize(
    ("versions", "status"), [(["3"], 200), (["2"], 200), (["1"], 503), ([], 503)]
)
async def test_a_schema_that_is_ahead_is_ready_one_that_is_behind_is_not(
    make_client: MakeClient,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    versions: list[str],
    status: int,
) -> None:
    monkeypatch.setattr(readiness, "known_revisions", lambda: ({"2"}, {"1", "2"}))
    engine = state["database"].write_engine

    async def set_versions(versions: list[str]) -> list[str]:
        async with engine.begin() as connection:
            before = await connection.scalars(text("SELECT version_num FROM alembic_version"))
            await connection.execute(text("DELETE FROM alembic_version"))
            statement = text("INSERT INTO alembic_version (version_num) VALUES (:version)")
            for version in versions:
                await connection.execute(statement, {"version": version})
            return list(before)

    current = await set_versions(versions)
    try:
        async with make_client() as client:
            response = await client.get("/health/ready")
    finally:
        await set_versions(current)

    assert response.status_code == status
    is_ready = status == 200
    assert response.json()["checks"] == OK | {"migrations": "ok" if is_ready else "failing"}


async def test_a_pool_whose_connections_do_not_come_back_is_not_ready(
    make_client: MakeClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "CACHE_SECONDS", 0)
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(pools, "time", clock)
    longer = settings.request_timeout + settings.database_pool_timeout + 1
    router = APIRouter()
    kept: list[AsyncConnection] = []

    @router.post("/keep")
    async def keep(database: DatabaseDep) -> None:
        kept.append(await database.read_engine.connect())

    @router.post("/return")
    async def give_back() -> None:
        await kept.pop().close()

    small = {"database_pool_size": 1, "database_max_overflow": 0}
    async with make_client(router, **small) as client:
        clock.now += longer
        await client.post("/keep")
        before = await client.get("/health/ready")
        clock.now += longer
        during = await client.get("/health/ready")
        await client.post("/return")
        after = await client.get("/health/ready")

    assert (before.status_code, after.status_code) == (200, 200)
    body = assert_problem(during, 503, "not-ready")
    assert body["checks"] == OK | {"pools": "failing"}


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
    assert body["checks"] == {"database": "failing", "migrations": "failing", "pools": "ok"}
    assert "hunter2" not in ready.text
    assert live.status_code == 200
    assert_problem(gizmos, 503, "database-unavailable")
    assert gizmos.headers["retry-after"] == "1"


# {% if database_driver != "aiosqlite" %}
async def test_a_database_that_takes_no_changes_is_not_ready(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "CACHE_SECONDS", 0)
    async with make_client() as client:
        with monkeypatch.context() as patch:
            patch.setattr(readiness, "TAKES_NO_CHANGES", "SELECT 1")
            during = await client.get("/health/ready")
        after = await client.get("/health/ready")

    body = assert_problem(during, 503, "not-ready")
    assert body["checks"] == OK | {"database": "failing"}
    assert after.status_code == 200


# {% endif %}
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
        for _ in range(state["settings"].database_pool_size):
            await busy.enter_async_context(state["database"].read())
        response = await client.get("/health/ready")

    assert response.status_code == 200
