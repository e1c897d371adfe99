"""What a client can do to the server with one connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import ServerState

from {{ package_name }} import protocol
from {{ package_name }}.protocol import BoundedProtocol

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/read":
        await receive()
    if scope["path"] == "/slow":
        await StreamingResponse(slowly())(scope, receive, send)
    else:
        await PlainTextResponse("answer")(scope, receive, send)


async def slowly() -> AsyncIterator[str]:
    await asyncio.sleep(0.1)
    yield "answer"


def configured(app: ASGIApp = answer, **options: Any) -> uvicorn.Config:
    common = {"lifespan": "off", "log_config": None, "access_log": False, "ws": "none"}
    return uvicorn.Config(app, **common | options)


@asynccontextmanager
async def connection(
    keep_alive: int = 60, app: ASGIApp = answer, made: Callable[[BoundedProtocol], object] = id
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = configured(app, timeout_keep_alive=keep_alive)
    state = ServerState()

    def make() -> BoundedProtocol:
        protocol = BoundedProtocol(config=config, server_state=state, app_state={})
        made(protocol)
        return protocol

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await asyncio.sleep(0.01)
        server.close()


class Packets(asyncio.Transport):
    """Takes what would be sent, each piece by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


async def packets_of(request: bytes, app: ASGIApp = answer) -> list[bytes]:
    """Return what is sent for a request."""
    packets = Packets()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    one = BoundedProtocol(config=configured(app), server_state=state, app_state={})
    one.connection_made(packets)
    one.data_received(request)
    await asyncio.gather(*one.tasks)
    one.connection_lost(None)
    return packets.sent


async def send_slowly(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


async def test_a_connection_serves_many_requests() -> None:
    async with asyncio.timeout(5), connection() as (reader, writer):
        for _ in range(3):
            writer.write(GET[:10])
            await asyncio.sleep(0.01)
            writer.write(GET[10:])
            assert (await reader.readuntil(b"answer")).startswith(b"HTTP/1.1 200 ")


async def test_a_response_is_one_packet() -> None:
    (packet,) = await packets_of(GET)

    assert packet.startswith(b"HTTP/1.1 200 OK\r\n")
    assert packet.endswith(b"\r\n\r\nanswer")


HEADERS = {
    "plain": {"X-One": "1", "X-Two": "a\tb \xe9", "x~3": ""},
    "closed": {"Connection": "close"},
    "a line more": {"X-One": "1\r\nX-Two: 2"},
    "a bad value": {"X-One": "\x00"},
    "a bad name": {"X One": "1"},
    "a length of its own": {"Content-Length": "5"},
    "chunks": {"Transfer-Encoding": "chunked"},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("status", [200, 201, 204, 304, 404])
@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1", b"HEAD / HTTP/1.1", b"GET / HTTP/1.0"])
async def test_a_response_is_that_of_the_server(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], status: int, request_line: bytes
) -> None:
    request = request_line + b"\r\n\r\n"
    app = PlainTextResponse("answer", status_code=status, headers=headers)
    ours = await packets_of(request, app)
    monkeypatch.setattr(protocol, "Answer", Untouched)
    theirs = await packets_of(request, app)

    assert b"".join(ours) == b"".join(theirs)


@pytest.mark.parametrize("pieces", [[b"ans", b"wer"], [b"answer", b""], [b"too long"], [b"short"]])
async def test_a_body_is_that_of_the_server(
    monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [[b"content-length", b"6"]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, piece in enumerate(pieces, 1):
            more = number < len(pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    ours = await packets_of(GET, app)
    monkeypatch.setattr(protocol, "Answer", Untouched)
    theirs = await packets_of(GET, app)

    assert b"".join(ours) == b"".join(theirs)


async def test_a_server_that_stops_closes_after_its_response() -> None:
    protocols: list[BoundedProtocol] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def stop(message: Message) -> None:
            await send(message)
            protocols[0].shutdown()

        await answer(scope, receive, stop)

    async with asyncio.timeout(5), connection(app=app, made=protocols.append) as (reader, writer):
        writer.write(GET)
        received = await reader.read()

    assert received.endswith(b"\r\n\r\nanswer")


class Untouched:
    """Leaves a response to the server."""

    def __init__(self, _cycle: object, send: Send) -> None:
        self.send = send


async def test_a_head_does_not_wait_for_a_slow_body() -> None:
    async with asyncio.timeout(5), connection() as (reader, writer):
        writer.write(GET.replace(b"/", b"/slow", 1))
        head = await reader.read(1024)
        body = await reader.readuntil(b"answer")

    assert head.endswith(b"\r\n\r\n")
    assert body.endswith(b"\r\nanswer")


async def test_a_head_without_a_body_is_sent() -> None:
    async with asyncio.timeout(5), connection() as (reader, writer):
        for _ in range(2):
            writer.write(GET.replace(b"GET", b"HEAD"))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_asks_is_told_to_continue() -> None:
    async with asyncio.timeout(5), connection() as (reader, writer):
        writer.write(POST[:-2].replace(b"/", b"/read", 1) + b"Expect: 100-continue\r\n\r\n")
        received = await reader.read(1024)
        writer.write(b"x" * 1000)
        await reader.readuntil(b"answer")

    assert received == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_the_last_response_of_a_connection_is_sent() -> None:
    async with asyncio.timeout(5), connection() as (reader, writer):
        writer.write(GET[:-2].replace(b"GET", b"HEAD") + b"Connection: close\r\n\r\n")
        received = await reader.read()

    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\n")


async def test_a_silent_connection_is_closed() -> None:
    async with asyncio.timeout(5), connection(keep_alive=0) as (reader, _):
        assert await reader.read() == b""


@pytest.mark.parametrize(("request_begin", "status"), [(GET[:-2] + b"X: ", b""), (POST, b"200")])
async def test_a_request_that_does_not_end_is_left(
    monkeypatch: pytest.MonkeyPatch, request_begin: bytes, status: bytes
) -> None:
    monkeypatch.setattr(protocol, "REST_SECONDS", 0.1)
    async with asyncio.timeout(5), connection() as (reader, writer):
        writer.write(request_begin)
        trickle = asyncio.ensure_future(send_slowly(writer))
        received = b""
        with suppress(ConnectionResetError):
            while chunk := await reader.read(1024):
                received += chunk
        trickle.cancel()

    assert status in received


async def test_headers_have_a_limit() -> None:
    header = b"X: y\r\n"
    async with asyncio.timeout(5), connection() as (reader, writer):
        writer.write(GET[:-2] + header * (protocol.MAX_HEAD_BYTES // len(header)))
        received = await reader.read()

    assert received.startswith(b"HTTP/1.1 400 ")
