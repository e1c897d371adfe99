"""Applications of their own, with their state, whose pools are watched."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from fastapi import APIRouter

from {{ package_name }}.lifespan import State
from {{ package_name }}.settings import Settings

from tests.conftest import Running, make_app, running
from tests.faults.pools import assert_all_returned

MakeService = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def make_service(settings: Settings, state: State) -> MakeService:
    """Run an application with more routes and other settings; no connection may be left out."""

    @asynccontextmanager
    async def make(*routers: APIRouter, **overrides: object) -> AsyncIterator[Running]:
        values = Settings(_env_file=None, **{**dict(settings), **overrides})
        async with running(make_app(values, *routers)) as service:
            yield service
            connections = values.database_pool_size + values.database_max_overflow
            await assert_all_returned(service.state["database"], connections=connections)

    return make
