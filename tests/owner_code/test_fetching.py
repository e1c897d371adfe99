"""What an upstream can do to the client of a service, and what the client does to nobody."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from order_desk.settings import Settings
from order_desk.upstream import client as client_module
from order_desk.upstream.client import UpstreamClient
from order_desk.upstream.reply import MAX_BODY_BYTES, Failure, FetchError

from tests.conftest import MakeClient
from tests.support import bad_fields
from tests.upstream import server
from tests.upstream.conftest import Connect
from tests.upstream.server import JSON, Upstream
from tests.upstream.test_client import get, open_client
from tests.upstream.test_fetch import answer, fetch

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def send_without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    while True:
        writer.write(chunk)
        await writer.drain()


async def reset(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    await writer.drain()
    await asyncio.sleep(0.01)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def reply(*headers: str, status: str = "200 OK", body: bytes = b"") -> bytes:
    head = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


server.ANSWERS.update(
    {
        "/untyped": reply(body=b"{}"),
        "/cookie": reply("Set-Cookie: session=1; Path=/", JSON, body=b"null"),
        "/full": reply("Content-Type: text/plain", body=b"x" * MAX_BODY_BYTES),
        "/redirect-nowhere": reply("Location: http://[", status="301 Moved Permanently"),
        "/nan": reply(JSON, body=b"NaN"),
        "/surrogate": reply(JSON, body=b'"\\ud800"'),
        "/deep": reply(JSON, body=b"[" * 250 + b"]" * 250),
        "/deeper": reply(JSON, body=b"[" * 100_000),
        "/bad-chunk": CHUNKED + b"zz\r\n",
        "/long-header": reply("X-Long: " + "x" * 200_000),
        "/other-protocol": b"220 mail.example.com ESMTP\r\n\r\n",
    }
)
server.CUT_OFF["/half-chunked"] = CHUNKED + b"4\r\nhalf\r\n"
server.MISBEHAVIOURS.update({"/endless": send_without_end, "/reset": reset})

FAILURES = {
    "not-json": "/nan /surrogate /deep /deeper",
    "too-large": "/endless",
    "broken-response": "/bad-chunk /half-chunked /reset /long-header /other-protocol",
}


@pytest.fixture
async def pool(settings: Settings, upstream: Upstream) -> AsyncIterator[UpstreamClient]:
    async with open_client(settings, upstream.url) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_any_method_can_be_sent(
    pool: UpstreamClient, upstream: Upstream, method: str
) -> None:
    assert (await pool.request(method, "/no-content", params={"q": "a\\ b"})).status == 204

    (received,) = upstream.received
    assert received.method == method
    assert parse_qs(urlsplit(received.target).query) == {"q": ["a\\ b"]}


async def test_any_answer_is_read_or_refused(connected: httpx2.AsyncClient) -> None:
    answers = {
        "/untyped": (200, "{}"),
        "/full": (200, "x" * MAX_BODY_BYTES),
        "/redirect-nowhere": (301, None),
    }
    failures = {path: error for error, paths in FAILURES.items() for path in paths.split()}

    results = await fetch(connected, *answers, *failures)

    assert [answer(result) for result in results[: len(answers)]] == list(answers.values())
    failed = results[len(answers) :]
    assert {result["path"]: result["error"] for result in failed} == failures
    assert {result["status"] for result in failed if result["path"] == "/reset"} == {200}


@pytest.mark.parametrize(
    ("paths", "field"), [(None, "paths"), ("/json", "paths"), ([1], "paths.0")]
)
async def test_what_is_no_list_of_paths_is_named(
    client: httpx2.AsyncClient, paths: object, field: str
) -> None:
    assert bad_fields(await client.post("/upstream/fetch", json={"paths": paths})) == [field]


async def test_a_path_is_sent_as_it_is_below_the_base_url(
    connect: Connect, upstream: Upstream
) -> None:
    paths = ["/", "/a%2Fb/%41%7E;c='d'?q=%20+e%2B%26&r=https://example.com//../x"]
    for base in (f"{upstream.url}/v2", f"{upstream.url}/v2/"):
        async with connect(base) as client:
            results = await fetch(client, *paths)

        assert [result["body"]["target"] for result in results] == [f"/v2{path}" for path in paths]


async def test_fifty_paths_may_be_asked_for(
    connected: httpx2.AsyncClient, upstream: Upstream
) -> None:
    results = await fetch(connected, *["/json"] * 50)

    assert len(results) == len(upstream.received) == 50
    assert upstream.connections <= client_module.MAX_CONNECTIONS


async def test_no_cookie_is_kept(connect: Connect, upstream: Upstream) -> None:
    # By name: some cookie jars keep nothing of an address anyway.
    async with connect(upstream.url.replace("127.0.0.1", "localhost")) as client:
        await fetch(client, "/cookie")
        await fetch(client, "/json")

    assert "cookie" not in upstream.received[1].headers


async def test_the_environment_names_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
    connect: Connect,
    upstream: Upstream,
    elsewhere: Upstream,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with connect(upstream.url) as client:
        results = await fetch(client, "/json")

    assert answer(results[0])[0] == 200
    assert elsewhere.connections == 0


async def test_waiting_for_a_permit_ends_with_the_time_of_the_request(
    monkeypatch: pytest.MonkeyPatch, make_client: MakeClient, upstream: Upstream
) -> None:
    # One after another they would take 50 seconds.
    monkeypatch.setattr(client_module, "BUDGET_SHARE", 0.05)
    monkeypatch.setattr(client_module, "MAX_CONNECTIONS", 1)
    async with make_client(upstream_url=upstream.url, request_timeout=20) as client:
        results = await fetch(client, *["/silent"] * 50)

    assert [result["error"] for result in results] == ["timeout"] * 50


async def test_a_request_that_is_cancelled_leaves_nothing_running(
    connected: httpx2.AsyncClient, upstream: Upstream
) -> None:
    before = asyncio.all_tasks()
    request = asyncio.create_task(fetch(connected, *["/trickling"] * 5, "/silent"))
    await upstream.until(lambda: upstream.serving == 6)

    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request

    assert asyncio.all_tasks() - before <= upstream.tasks
    await upstream.until(lambda: upstream.open_connections == 1)
    assert answer((await fetch(connected, "/closing"))[0]) == (200, "closing")


async def test_a_connection_that_the_upstream_closed_is_replaced(
    pool: UpstreamClient, upstream: Upstream
) -> None:
    assert await get(pool, "/closing") == b'"closing"'
    await upstream.until(lambda: upstream.open_connections == 0)

    assert await get(pool, "/json")
    assert upstream.connections == 2


async def test_an_idle_connection_is_not_used_for_ever(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, upstream: Upstream
) -> None:
    monkeypatch.setattr(client_module, "KEEPALIVE_SECONDS", 0.02)
    async with open_client(settings, upstream.url) as client:
        await get(client, "/json")
        await asyncio.sleep(0.05)
        await get(client, "/json")

    assert upstream.connections == 2


async def test_a_body_that_is_not_wanted_costs_its_connection_only(
    pool: UpstreamClient, upstream: Upstream
) -> None:
    for _ in range(client_module.MAX_CONNECTIONS + 1):
        with pytest.raises(FetchError, match=Failure.TOO_LARGE):
            await get(pool, "/endless")
    await upstream.until(lambda: upstream.open_connections == 0)

    assert await get(pool, "/json")


async def test_a_connection_that_takes_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, upstream: Upstream
) -> None:
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.02)
    # The upstream does not speak TLS: it waits for the end of a request that never ends.
    async with open_client(settings, upstream.url.replace("http:", "https:")) as client:
        with pytest.raises(FetchError, match=Failure.TIMEOUT):
            await asyncio.wait_for(get(client, "/json"), 5)


async def test_an_upstream_without_tls_is_unreachable_by_it(settings: Settings) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_client(settings, f"https://127.0.0.1:{port}") as client:
            with pytest.raises(FetchError, match=Failure.UNREACHABLE):
                await get(client, "/json")
