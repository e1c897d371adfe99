"""What docs/patterns.md promises and no linter sees."""

import asyncio
import pkgutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, get_args
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session, selectinload

# {% if auth == "oidc" %}
from {{ package_name }}.auth.tokens import TokenVerifier
# {% endif %}
from {{ package_name }}.database.base import Base
from {{ package_name }}.database.dependencies import (
    ReadSessionDep,
    WriteSessionDep,
)
from {{ package_name }}.database.engine import Database
from {{ package_name }}.database.gate import Overloaded
from {{ package_name }}.database.repository import CHUNK_ROWS
# {% if health_checks %}
from {{ package_name }}.health.readiness import Readiness
# {% endif %}
from {{ package_name }}.lifespan import State, open_state
from {{ package_name }}.server import logs
from {{ package_name }}.settings import Settings
# {% if http_client != "none" and telemetry != "none" %}
from {{ package_name }}.telemetry.upstream import MeasuredClient
# {% elif http_client != "none" %}
from {{ package_name }}.upstream.client import UpstreamClient
# {% endif %}
from {{ package_name }}.web.pagination import Keyset

from tests.conftest import MakeClient, make_app
from tests.guards import BLOCKED_LOOP, SHARED_SESSION
from tests.sample import Cog, Gizmo, GizmoRepository
from tests.support import GIZMO, create_gizmo, create_gizmos, rows_in, statements

LOADS = {"raise", "raise_on_sql", "write_only"}
PACKAGE = "{{ package_name }}"


@pytest.mark.parametrize("dependency", [ReadSessionDep, WriteSessionDep])
def test_sessions_end_before_the_response(dependency: object) -> None:
    _, depends = get_args(dependency)

    assert depends.scope == "function"


def test_no_response_is_any_dictionary(settings: Settings) -> None:
    for path, item in make_app(settings).openapi()["paths"].items():
        for operation in item.values():
            for response in operation["responses"].values():
                schema = response.get("content", {}).get("application/json", {}).get("schema", {})
                is_open = schema.get("additionalProperties", True) is True
                is_dictionary = schema.get("type") == "object" and "properties" not in schema
                assert not (is_dictionary and is_open), path


def test_nothing_is_loaded_implicitly() -> None:
    for mapper in Base.registry.mappers:
        assert {relationship.lazy for relationship in mapper.relationships} <= LOADS, mapper


async def test_a_failing_commit_is_not_answered_as_success(client: httpx2.AsyncClient) -> None:
    def fail(_: Session) -> None:
        message = "the connection is lost"
        raise ConnectionError(message)

    event.listen(Session, "before_commit", fail)
    try:
        response = await client.post("/gizmos", json=GIZMO)
    finally:
        event.remove(Session, "before_commit", fail)

    assert response.status_code == 500


async def test_what_was_written_can_be_read_after_the_commit(state: State) -> None:
    gizmo = Gizmo(**GIZMO)
    async with state["database"].write() as session:
        session.add(gizmo)

    assert gizmo.name == GIZMO["name"]


async def test_a_repository_leaves_the_commit_to_others(state: State) -> None:
    async def write_and_fail() -> None:
        async with state["database"].write() as session:
            gizmos = GizmoRepository(session)
            gizmo = await gizmos.add(Gizmo(**GIZMO))
            await gizmos.add_many([GIZMO | {"name": "Second"}])
            await gizmos.delete(gizmo.id)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write_and_fail()

    async with state["database"].read() as session:
        assert await session.scalar(select(func.count()).select_from(Gizmo)) == 0


async def test_what_is_asked_for_is_loaded_for_the_whole_page(
    client: httpx2.AsyncClient, state: State
) -> None:
    gizmos = await create_gizmos(client, 3)
    async with state["database"].write() as session:
        session.add_all(Cog(gizmo_id=UUID(gizmo["id"])) for gizmo in gizmos)

    with statements(state["database"].read_engine) as seen:
        async with state["database"].read() as reader:
            with_cogs = Keyset(select(Gizmo).options(selectinload(Gizmo.cogs)), Gizmo.id)
            page = await with_cogs.page(reader, limit=3, cursor=None)

    assert [len(gizmo.cogs) for gizmo in page.items] == [1, 1, 1]
    assert len(seen) == 2


async def test_bulk_rows_come_in_chunks(client: httpx2.AsyncClient, state: State) -> None:
    gizmos = [GIZMO | {"name": f"Gizmo {number}"} for number in range(2 * CHUNK_ROWS + 1)]

    with statements(state["database"].write_engine) as seen:
        await client.post("/gizmos/bulk", json={"gizmos": gizmos})

    assert CHUNK_ROWS <= 1_000
    assert sorted(map(rows_in, seen), reverse=True)[:3] == [CHUNK_ROWS, CHUNK_ROWS, 1]


async def test_resources_close_in_reverse_order(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def noting(
        name: str, opened: Callable[..., AbstractAsyncContextManager[Any]]
    ) -> Callable[..., AbstractAsyncContextManager[Any]]:
        @asynccontextmanager
        async def note(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async with opened(*args, **kwargs) as resource:
                events.append(f"open {name}")
                yield resource
            events.append(f"close {name}")

        return note

    resources: list[Any] = [Database]
    # {% if http_client != "none" %}
    # {% if telemetry == "none" %}
    resources.append(UpstreamClient)
    # {% else %}
    resources.append(MeasuredClient)
    # {% endif %}
    # {% endif %}
    # {% if auth == "oidc" %}
    resources.append(TokenVerifier)
    # {% endif %}
    # {% if health_checks %}
    resources.append(Readiness)
    # {% endif %}
    for resource in resources:
        monkeypatch.setattr(resource, "open", noting(resource.__name__, resource.open))

    async with open_state(settings):
        pass

    names = [resource.__name__ for resource in resources]
    assert events == [f"open {name}" for name in names] + [f"close {name}" for name in names[::-1]]


def classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(import_module(PACKAGE).__path__, f"{PACKAGE}."):
        if not module.name.startswith(f"{PACKAGE}.migrations"):
            for value in vars(import_module(module.name)).values():
                if isinstance(value, type) and value.__module__ == module.name:
                    yield value


def test_no_class_replaces_what_its_library_keeps_to_itself() -> None:
    kinds = (FunctionType, classmethod, staticmethod, property)
    for ours in classes():
        members = [name for name, value in vars(ours).items() if isinstance(value, kinds)]
        for name in members:
            # Python and enums name what may be replaced with an underscore at the end, too.
            if name.startswith("_") and not name.endswith("_"):
                libraries = [base.__module__ for base in ours.__mro__ if name in vars(base)]
                assert {each.partition(".")[0] for each in libraries} == {PACKAGE}, name


async def test_engines_end_with_the_process(settings: Settings) -> None:
    seen = set()
    for _ in range(2):
        async with open_state(settings) as state:
            engines = (state["database"].read_engine, state["database"].write_engine)
            pools = [engine.pool for engine in engines]
        # An engine that is disposed of has a new pool.
        assert {engine.pool for engine in engines}.isdisjoint(pools)
        seen |= {*engines}

    assert len(seen) == 4


async def test_each_pool_stands_behind_its_gate(settings: Settings) -> None:
    small = {"database_pool_size": 1, "database_max_overflow": 0, "database_pool_timeout": 0.01}
    async with Database.open(settings.model_copy(update=small)) as database:
        for gate, session in (
            (database.read_gate, database.read()),
            (database.write_gate, database.write()),
        ):
            async with gate:
                with pytest.raises(Overloaded):
                    await session.__aenter__()


async def test_pools_have_every_option(settings: Settings, state: State) -> None:
    for engine in (state["database"].read_engine, state["database"].write_engine):
        pool: Any = engine.pool
        assert pool._recycle == settings.database_pool_recycle
        assert pool.timeout() == settings.database_pool_timeout
        assert pool._max_overflow == settings.database_max_overflow
        assert pool._pool.use_lifo
        assert pool._pre_ping
        assert engine.sync_engine.hide_parameters


async def test_a_session_in_two_tasks_is_noticed(
    make_client: MakeClient, watched: list[str]
) -> None:
    router = APIRouter()

    @router.get("/twice")
    async def twice(session: ReadSessionDep) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(session.execute(select(Cog)))

    async with make_client(router) as client:
        await create_gizmo(client)
        assert not watched
        await client.get("/twice")

    assert set(watched) == {SHARED_SESSION}
    watched.clear()


async def test_a_blocked_loop_is_noticed(make_client: MakeClient, watched: list[str]) -> None:
    router = APIRouter()

    @router.get("/blocked")
    async def blocked() -> None:
        subprocess.run(["git", "--version"], check=True, capture_output=True)  # noqa: ASYNC221, S607 - the case

    @router.get("/thread")
    async def in_thread() -> str:
        return await asyncio.to_thread(Path(logs.__file__).read_text)

    async with make_client(router) as client:
        await client.get("/thread")
        assert not watched
        await client.get("/blocked")

    assert BLOCKED_LOOP in watched[0]
    watched.clear()
