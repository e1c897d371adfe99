import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from pydantic import HttpUrl

from {{ package_name }}.settings import Settings
from {{ package_name }}.upstream import client as client_module
from {{ package_name }}.upstream.body import read_body
from {{ package_name }}.upstream.client import UpstreamClient
from {{ package_name }}.upstream.failures import Failure, FetchError

from tests.upstream.server import Upstream

MAX_CONNECTIONS = 3


def open_client(settings: Settings, url: str) -> AbstractAsyncContextManager[UpstreamClient]:
    return UpstreamClient.open(settings.model_copy(update={"upstream_url": HttpUrl(url)}))


async def get(client: UpstreamClient, path: str) -> bytes:
    async with client.get(path) as reply:
        return await read_body(reply.chunks, encoding=reply.encoding)


@pytest.fixture
async def pool(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, upstream: Upstream
) -> AsyncIterator[UpstreamClient]:
    monkeypatch.setattr(client_module, "MAX_CONNECTIONS", MAX_CONNECTIONS)
    async with open_client(settings, upstream.url) as client:
        yield client


async def test_the_pool_has_no_more_connections_than_its_limit(
    pool: UpstreamClient, upstream: Upstream
) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(get(pool, "/held")) for _ in range(MAX_CONNECTIONS + 1)]
        await upstream.until(lambda: upstream.serving == MAX_CONNECTIONS)
        # One that is over the limit would connect now.
        await asyncio.sleep(0.05)
        assert len(upstream.received) == MAX_CONNECTIONS
        assert upstream.connections == MAX_CONNECTIONS
        upstream.released.set()

    assert [task.result() for task in tasks] == [b'"held"'] * (MAX_CONNECTIONS + 1)
    assert upstream.connections == MAX_CONNECTIONS


async def test_connections_are_reused(pool: UpstreamClient, upstream: Upstream) -> None:
    for _ in range(3):
        async with asyncio.TaskGroup() as group:
            for _ in range(2 * MAX_CONNECTIONS):
                group.create_task(get(pool, "/gzip"))

    assert len(upstream.received) == 6 * MAX_CONNECTIONS
    assert upstream.connections == MAX_CONNECTIONS


async def test_a_connection_that_the_upstream_closed_is_replaced(
    pool: UpstreamClient, upstream: Upstream
) -> None:
    assert await get(pool, "/closing") == b'"closing"'
    await upstream.until(lambda: upstream.open_connections == 0)

    assert await get(pool, "/gzip")
    assert upstream.connections == 2


async def test_an_idle_connection_is_not_used_for_ever(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, upstream: Upstream
) -> None:
    monkeypatch.setattr(client_module, "KEEPALIVE_SECONDS", 0.02)
    async with open_client(settings, upstream.url) as client:
        await get(client, "/gzip")
        await asyncio.sleep(0.05)
        await get(client, "/gzip")

    assert upstream.connections == 2


async def test_a_body_that_is_not_wanted_costs_its_connection_only(
    pool: UpstreamClient, upstream: Upstream
) -> None:
    for _ in range(MAX_CONNECTIONS + 1):
        with pytest.raises(FetchError, match=Failure.TOO_LARGE):
            await get(pool, "/endless")
    await upstream.until(lambda: upstream.open_connections == 0)

    assert await get(pool, "/gzip")


async def test_closing_the_client_closes_its_connections(
    settings: Settings, upstream: Upstream
) -> None:
    async with open_client(settings, upstream.url) as client:
        await get(client, "/gzip")
        assert upstream.open_connections == 1

    await upstream.until(lambda: upstream.open_connections == 0)


@pytest.mark.parametrize("path", ["/silent", "/stalling"])
async def test_an_upstream_that_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, upstream: Upstream, path: str
) -> None:
    monkeypatch.setattr(client_module, "READ_SECONDS", 0.02)
    async with open_client(settings, upstream.url) as client:
        with pytest.raises(FetchError, match=Failure.TIMEOUT):
            await asyncio.wait_for(get(client, path), 30)


async def test_a_connection_that_takes_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, upstream: Upstream
) -> None:
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.02)
    # The upstream does not speak TLS: it waits for the end of a request that never ends.
    async with open_client(settings, upstream.url.replace("http:", "https:")) as client:
        with pytest.raises(FetchError, match=Failure.TIMEOUT):
            await asyncio.wait_for(get(client, "/json"), 30)


async def test_an_upstream_without_tls_is_unreachable_by_it(settings: Settings) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_client(settings, f"https://127.0.0.1:{port}") as client:
            with pytest.raises(FetchError, match=Failure.UNREACHABLE):
                await get(client, "/json")
