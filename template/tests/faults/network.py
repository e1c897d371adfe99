"""A network between the service and its database that can be broken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from sqlalchemy import URL

_DEFAULT_PORT = {{ 5432 if postgresql else 3306 }}


class Network:
    """Passes bytes between clients and the database server, on a port of its own."""

    def __init__(self, server: URL) -> None:
        self._server = server
        self._refusing = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._streams: set[asyncio.StreamWriter] = set()

    @classmethod
    @asynccontextmanager
    async def before(cls, server: URL) -> AsyncIterator[tuple[Self, URL]]:
        """Return a network before the server, and the URL of the database across it."""
        network = cls(server)
        listener = await asyncio.start_server(network._connect, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        try:
            yield network, server.set(host="127.0.0.1", port=port)
        finally:
            listener.close()
            network.refuse()
            while network._streams:  # noqa: ASYNC110 - they are closing
                await asyncio.sleep(0.01)

    def hang(self) -> None:
        """Hold all bytes back; connections are still accepted."""
        self._flowing.clear()

    def forget(self) -> None:
        """Hold the bytes of all connections back for ever; new connections work."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def refuse(self) -> None:
        """Break all connections, and those to come."""
        self._refusing = True
        for stream in self._streams:
            stream.transport.abort()

    def mend(self) -> None:
        """Let connections be made and bytes pass again."""
        self._refusing = False
        self._flowing.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        host, port = self._server.host or "127.0.0.1", self._server.port or _DEFAULT_PORT
        server_reader, server_writer = await asyncio.open_connection(host, port)
        streams = {writer, server_writer}
        self._streams |= streams
        flowing = self._flowing
        ways = [
            asyncio.ensure_future(_pass(reader, server_writer, flowing)),
            asyncio.ensure_future(_pass(server_reader, writer, flowing)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        for stream in streams:
            stream.transport.abort()
        self._streams -= streams


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
) -> None:
    # A broken connection ends both ways, whatever broke it.
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            await flowing.wait()
            writer.write(data)
