"""What a client can do to the server with one connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from {{ package_name }} import protocol
from {{ package_name }}.protocol import BoundedProtocol

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("answer")(scope, receive, send)


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
