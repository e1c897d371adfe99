"""What the limits of a connection leave alone."""

import asyncio

import pytest

from order_desk.server import protocol
from order_desk.server.drain import Drain

from tests.server.connections import GET, connection
from tests.server.test_protocol import POST, SOON, answer

WEBSOCKET = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def test_a_connection_serves_many_requests() -> None:
    async with connection(answer) as (reader, writer):
        for _ in range(3):
            writer.write(GET[:10])
            await asyncio.sleep(0.01)
            writer.write(GET[10:])
            assert (await reader.readuntil(b"answer")).startswith(b"HTTP/1.1 200 ")


async def test_a_request_that_is_served_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REST_SECONDS", SOON)
    async with connection(answer) as (reader, writer):
        for piece in (b"POST /read", POST[6:], *[b"x" * 100] * 10):
            writer.write(piece)
            await asyncio.sleep(SOON / 5)
        received = await reader.readuntil(b"answer")

    assert received.startswith(b"HTTP/1.1 200 ")


async def test_a_connection_outlives_a_body_that_was_answered_before_its_end() -> None:
    async with connection(answer) as (reader, writer):
        writer.write(POST)
        await reader.readuntil(b"answer")
        writer.write(b"x" * 1000 + GET)

        assert (await reader.readuntil(b"answer")).startswith(b"HTTP/1.1 200 ")


async def test_a_head_behind_a_large_body_is_not_taken_for_a_large_one() -> None:
    body = b"x" * 4 * protocol.MAX_HEAD_BYTES
    async with connection(answer) as (reader, writer):
        writer.write(POST.replace(b"1000", b"%d" % len(body)) + body + GET[:10])
        await reader.readuntil(b"answer")
        writer.write(GET[10:])

        assert (await reader.readuntil(b"answer")).startswith(b"HTTP/1.1 200 ")


class Echo(asyncio.Protocol):
    """Sends back what comes over a connection that has left HTTP."""

    def __init__(self, **_: object) -> None:
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base has it
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


async def test_a_websocket_has_the_limits_of_its_own_protocol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "REST_SECONDS", SOON)
    state = {"drain": Drain(draining=True)}
    async with connection(answer, state=state, ws=Echo) as (reader, writer):
        writer.write(WEBSOCKET[:10])
        await asyncio.sleep(0.01)
        writer.write(WEBSOCKET[10:])
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(2 * SOON)
        writer.write(b"still here")

        assert await reader.readexactly(10) == b"still here"
