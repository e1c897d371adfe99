from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2
import pytest
from pydantic import HttpUrl

from {{ package_name }}.lifespan import State
from {{ package_name }}.settings import Settings
from {{ package_name }}.upstream.client import UpstreamClient

from tests.conftest import Running, client_of
from tests.upstream.server import Upstream

Connect = Callable[[str], AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
async def elsewhere() -> AsyncIterator[Upstream]:
    """Another host, which the service must never ask."""
    async with Upstream.open() as elsewhere:
        yield elsewhere


@pytest.fixture
async def upstream(elsewhere: Upstream) -> AsyncIterator[Upstream]:
    async with Upstream.open(elsewhere=elsewhere.url) as upstream:
        yield upstream


@pytest.fixture
def connect(service: Running, settings: Settings) -> Connect:
    """Make a client of the running service, with the upstream at a URL."""

    @asynccontextmanager
    async def connect(url: str) -> AsyncIterator[httpx2.AsyncClient]:
        configured = settings.model_copy(update={"upstream_url": HttpUrl(url)})
        async with UpstreamClient.open(configured) as upstream:
            state = State(**service.state)
            state["upstream"] = upstream
            async with client_of(Running(service.app, state)) as client:
                yield client

    return connect


@pytest.fixture
async def connected(connect: Connect, upstream: Upstream) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(upstream.url) as client:
        yield client
