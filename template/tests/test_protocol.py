"""What a client can do to the server with one connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send
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


@asynccontextmanager
async def connection(
    keep_alive: int = 60,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(
        answer, lifespan="off", log_config=None, timeout_keep_alive=keep_alive, ws="none"
    )
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
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
    packets = Packets()
    config = uvicorn.Config(answer, lifespan="off", log_config=None, ws="none")
    one = BoundedProtocol(config=config, server_state=ServerState(), app_state={})

    one.connection_made(packets)
    one.data_received(GET)
    await asyncio.gather(*one.tasks)
    one.connection_lost(None)

    (packet,) = packets.sent
    assert packet.endswith(b"\r\n\r\nanswer")


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
