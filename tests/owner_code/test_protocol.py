"""A connection that leaves HTTP leaves its limits."""

import asyncio

import pytest

from order_desk.server import protocol
from order_desk.server.drain import Drain

from tests.server.connections import GET, connection
from tests.server.test_protocol import SOON, answer

WEBSOCKET = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


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
