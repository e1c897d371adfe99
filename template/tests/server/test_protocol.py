"""What a client can do to the server with one connection."""

import asyncio
from contextlib import suppress

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from {{ package_name }}.server import protocol
from {{ package_name }}.server.drain import Drain

from tests.server.connections import GET, connection

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
SOON = 0.1


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/read":
        while (await receive())["more_body"]:
            pass
    await PlainTextResponse("answer")(scope, receive, send)


async def send_slowly(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await asyncio.sleep(SOON / 5)


async def read_all(reader: asyncio.StreamReader) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while chunk := await reader.read(1024):
            received += chunk
    return received


async def test_a_silent_connection_is_closed() -> None:
    async with connection(answer, timeout_keep_alive=0) as (reader, _):
        assert await reader.read() == b""


@pytest.mark.parametrize(("request_begin", "status"), [(GET[:-2] + b"X: ", b""), (POST, b"200")])
async def test_a_request_that_does_not_end_is_left(
    monkeypatch: pytest.MonkeyPatch, request_begin: bytes, status: bytes
) -> None:
    monkeypatch.setattr(protocol, "REST_SECONDS", SOON)
    async with connection(answer) as (reader, writer):
        writer.write(request_begin)
        trickle = asyncio.ensure_future(send_slowly(writer))
        received = await read_all(reader)
        trickle.cancel()

    assert status in received


@pytest.mark.parametrize("header", [b"X: y\r\n", b"x"])
async def test_headers_have_a_limit(header: bytes) -> None:
    async with connection(answer) as (reader, writer):
        writer.write(GET[:-2] + b"X: ")
        for _ in range(8):
            await asyncio.sleep(0.01)
            writer.write(header * (protocol.MAX_HEAD_BYTES // 6 // len(header)))
        received = await read_all(reader)

    assert received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("draining", [True, False])
async def test_a_draining_process_asks_clients_to_leave(*, draining: bool) -> None:
    async with connection(answer, state={"drain": Drain(draining)}) as (reader, writer):
        writer.write(GET)
        received = await reader.readuntil(b"answer")

    assert (b"\r\nconnection: close\r\n" in received) is draining
