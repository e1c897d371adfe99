import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from fastapi import APIRouter
from pydantic import HttpUrl

from {{ package_name }}.settings import Settings
from {{ package_name }}.upstream import client as client_module
from {{ package_name }}.upstream.client import (
    UpstreamClient,
    UpstreamNotConfigured,
)
from {{ package_name }}.upstream.reply import Failure, FetchError

from tests.conftest import MakeClient
from tests.support import assert_problem
from tests.upstream.server import Upstream


def open_client(settings: Settings, url: str) -> AbstractAsyncContextManager[UpstreamClient]:
    return UpstreamClient.open(settings.model_copy(update={"upstream_url": HttpUrl(url)}))


async def get(client: UpstreamClient, path: str) -> bytes:
    return (await client.request("GET", path)).body


@pytest.fixture
async def pool(settings: Settings, upstream: Upstream) -> AsyncIterator[UpstreamClient]:
    async with open_client(settings, upstream.url) as client:
        yield client


async def test_a_body_is_sent_as_json(pool: UpstreamClient, upstream: Upstream) -> None:
    reply = await pool.request(
        "POST", "/charges", json={"amount": 5, "to": "é"}, headers={"Idempotency-Key": "abc"}
    )

    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert isinstance(value := reply.value(), dict)
    assert (value["method"], value["target"]) == ("POST", "/charges")
    (received,) = upstream.received
    assert json.loads(received.body) == {"amount": 5, "to": "é"}
    assert received.headers["content-type"] == "application/json"
    assert received.headers["idempotency-key"] == "abc"
    assert received.headers["accept-encoding"] == "identity"


async def test_a_path_that_would_leave_the_base_url_is_not_sent(
    pool: UpstreamClient, upstream: Upstream
) -> None:
    for path in ("http://example.com/", "@example.com", "/things/../admin", "/things/%2e%2e"):
        with pytest.raises(ValueError, match="A path begins with a slash"):
            await pool.request("DELETE", path)

    assert upstream.connections == 0


async def test_without_a_url_there_is_nothing_to_ask(settings: Settings) -> None:
    async with UpstreamClient.open(settings) as client:
        with pytest.raises(UpstreamNotConfigured):
            await get(client, "/json")


async def test_a_failure_that_nobody_handles_is_a_bad_gateway(
    pool: UpstreamClient, make_client: MakeClient
) -> None:
    router = APIRouter()

    @router.get("/asking")
    async def ask() -> str:
        return (await get(pool, "/closed")).decode()

    async with make_client(router) as client:
        problem = assert_problem(await client.get("/asking"), 502, "upstream-failed")

    assert problem["detail"] == "broken-response"


async def test_the_pool_has_no_more_connections_than_its_limit(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, upstream: Upstream
) -> None:
    monkeypatch.setattr(client_module, "MAX_CONNECTIONS", 3)
    async with open_client(settings, upstream.url) as client:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(get(client, "/held")) for _ in range(4)]
            await upstream.until(lambda: upstream.serving == 3)
            # One that is over the limit would connect now.
            await asyncio.sleep(0.05)
            assert len(upstream.received) == upstream.connections == 3
            upstream.released.set()

        assert [task.result() for task in tasks] == [b'"held"'] * 4
        # They are used again, also for the one that waited.
        await get(client, "/json")
        assert upstream.connections == 3


async def test_closing_the_client_closes_its_connections(
    settings: Settings, upstream: Upstream
) -> None:
    async with open_client(settings, upstream.url) as client:
        await get(client, "/json")
        assert upstream.open_connections == 1

    await upstream.until(lambda: upstream.open_connections == 0)


@pytest.mark.parametrize("path", ["/silent", "/stalling"])
async def test_an_upstream_that_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, upstream: Upstream, path: str
) -> None:
    monkeypatch.setattr(client_module, "READ_SECONDS", 0.02)
    async with open_client(settings, upstream.url) as client:
        with pytest.raises(FetchError, match=Failure.TIMEOUT):
            await asyncio.wait_for(get(client, path), 5)
