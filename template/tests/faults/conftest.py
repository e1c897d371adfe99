"""Applications of their own, with their state, whose pools are watched."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from fastapi import APIRouter

from {{ package_name }}.lifespan import State
from {{ package_name }}.main import create_app, register
from {{ package_name }}.settings import Settings

from tests.conftest import Running, running
from tests.faults.pools import assert_all_returned

MakeService = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def make_service(settings: Settings, state: State) -> MakeService:
    """Run an application with more routes and other settings; no connection may be left out."""

    @asynccontextmanager
    async def make(router: APIRouter | None = None, **overrides: object) -> AsyncIterator[Running]:
        values = {**dict(settings), **overrides}
        app = create_app(Settings(_env_file=None, **values))
        register(app, router or APIRouter())
        async with running(app) as service:
            yield service
            await assert_all_returned(service.state["database"])

    return make
