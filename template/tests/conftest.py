"""One migrated database and one running application for all tests; no test sees another's rows."""

import asyncio
import gc
import os
# {% if http_client == "httpx2" %}
import ssl
# {% endif %}
import traceback
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
# {% if http_client == "httpx2" %}
from functools import cache
# {% endif %}
from inspect import iscoroutinefunction
from pathlib import Path
from typing import cast

import httpx2
import pytest
from alembic import command
from alembic.config import Config
from fastapi import APIRouter, FastAPI
from sqlalchemy import delete, event
from sqlalchemy.pool import Pool
from starlette.types import Receive, Scope, Send

from {{ package_name }} import lifespan
from {{ package_name }}.lifespan import State
from {{ package_name }}.main import MAX_BODY_BYTES, create_app
from {{ package_name }}.models import METADATA
from {{ package_name }}.server import watchdog
from {{ package_name }}.server.garbage_collection import GC_THRESHOLDS
# {% if database_driver == "aiosqlite" %}
from {{ package_name }}.settings import Settings
# {% else %}
from {{ package_name }}.settings import DatabaseSettings, Settings
# {% endif %}

from tests import sample
# {% if auth == "oidc" %}
from tests.auth import tokens
# {% endif %}
from tests.databases import provide_database
from tests.guards import watching
from tests.owner import SETTINGS

ROOT = Path(__file__).parent.parent

# {% if auth == "oidc" %}
os.environ.update(tokens.SETTINGS | SETTINGS)
# {% else %}
os.environ.update(SETTINGS)
# {% endif %}
# {% if telemetry == "prometheus" %}
os.environ["METRICS_PORT"] = ""  # other tests run on the same machine
# {% endif %}

MakeClient = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Run four tests at a time on small machines too, since many of them wait."""
    return max(4, (yield))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest tests first, so that they do not run alone at the end."""
    items.sort(key=lambda item: item.path.parent.name not in {"process", "faults"})


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def watched() -> Iterator[list[str]]:
    """What the service does at run time against its patterns."""
    with watching() as found:
        yield found


@pytest.fixture(autouse=True)
def _patterns_hold(watched: list[str]) -> Iterator[None]:
    watched.clear()
    yield
    if watched:
        pytest.fail("; ".join(sorted({*watched})), pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say what is wrong, before an application without an event loop fails all tests after it."""
    if (
        isinstance(item, pytest.Function)
        and "service" in item.fixturenames
        and not iscoroutinefunction(item.function)
    ):
        message = "a test of the running application is async; a TestClient takes make_app()"
        pytest.fail(message, pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def _busy_hosts_are_not_told() -> Iterator[None]:
    """What a thread logs would disturb the tests that read the log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watchdog, "BLOCKED_SECONDS", 3600)
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_starts() -> Iterator[None]:
    """Many tests open an application: do once what takes long each time."""
    # What was imported is not garbage and need not be examined again, not even at the end.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifespan, "tuned_garbage_collector", nullcontext)
        # {% if http_client == "httpx2" %}
        # The client of the upstream reads the certificates, which takes 40 ms.
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        # {% endif %}
        yield


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    with provide_database() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        # {% if database_driver != "aiosqlite" %}
        # What .env names as DATABASE_MIGRATION_URL must not be migrated.
        patch.setitem(DatabaseSettings.model_config, "env_file", None)
        # {% endif %}
        command.upgrade(alembic_config(), "head")
        asyncio.run(sample.create_tables(url))
        yield url


def alembic_config() -> Config:
    return Config(toml_file=ROOT / "pyproject.toml")


@pytest.fixture(scope="session")
def settings(database_url: str) -> Settings:
    return Settings(
        _env_file=None,
        database_url=database_url,
        database_pool_size=5,
        drain_seconds=0,
    )


class Running:
    """An application whose lifespan has begun, as a server would call it."""

    def __init__(self, app: FastAPI, state: State) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {**self.state}
        try:
            await self.app(scope, receive, send)
        except Exception:
            # The client gets a 500 without the stack; pytest shows what a failing test has printed.
            traceback.print_exc()
            raise


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[Running]:
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        yield Running(app, cast(State, state))


def client_of(app: Running) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    # {% if auth == "oidc" %}
    return httpx2.AsyncClient(
        transport=transport,
        base_url="http://service.test",
        headers=tokens.bearing(tokens.make_token()),
    )
    # {% else %}
    return httpx2.AsyncClient(transport=transport, base_url="http://service.test")
    # {% endif %}


def make_app(settings: Settings, *routers: APIRouter) -> FastAPI:
    """Make the application with the routes of the tests' own resource, and more."""
    app = create_app(settings)
    for router in (sample.router, *routers):
        app.include_router(router, max_body_size=MAX_BODY_BYTES)
    return app


@pytest.fixture(scope="session")
async def service(settings: Settings) -> AsyncIterator[Running]:
    async with running(make_app(settings)) as app:
        yield app


@pytest.fixture
async def state(service: Running) -> AsyncIterator[State]:
    """The state of the running application; all rows are deleted after the test."""
    uses: list[object] = []

    def note(*use: object) -> None:
        uses.append(use)

    event.listen(Pool, "checkout", note)
    yield service.state
    event.remove(Pool, "checkout", note)
    if not uses:
        return
    async with service.state["database"].write() as session:
        for table in reversed([*METADATA.sorted_tables, *sample.METADATA.sorted_tables]):
            await session.execute(delete(table))


@pytest.fixture
async def client(service: Running, state: State) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(service) as client:
        yield client


# {% if auth == "oidc" %}
@pytest.fixture
def make_token() -> Callable[..., str]:
    """Make a token with the claims that are given, signed with a key of the tests."""
    return tokens.make_token


# {% endif %}
@pytest.fixture
def make_client(settings: Settings, state: State) -> MakeClient:
    """Make a client of an application of its own, with other settings or more routes."""

    @asynccontextmanager
    async def make(*routers: APIRouter, **overrides: object) -> AsyncIterator[httpx2.AsyncClient]:
        values = {**dict(settings), **overrides}
        app = make_app(Settings(_env_file=None, **values), *routers)
        async with running(app) as service, client_of(service) as client:
            yield client

    return make
