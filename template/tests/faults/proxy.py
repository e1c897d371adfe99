"""A network between the service and its database that can be broken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy import URL

_DEFAULT_PORT = {{ 5432 if postgresql else 3306 }}


class Network:
    """Passes bytes between clients and the database server on a port of its own."""

    def __init__(self, server: URL) -> None:
        self._server = server
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
            network.hang_for_ever()
            network.close_connections()

    def hang(self) -> None:
        """Hold all bytes back; connections are still accepted."""
        self._flowing.clear()

    def mend(self) -> None:
        """Let the bytes pass again."""
        self._flowing.set()

    def hang_for_ever(self) -> None:
        """Hold the bytes of all connections back for ever, but let new connections work."""
        self._flowing = asyncio.Event()
        self._flowing.set()

    def close_connections(self) -> None:
        for stream in self._streams:
            stream.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flowing = self._flowing
        host, port = self._server.host or "127.0.0.1", self._server.port or _DEFAULT_PORT
        server_reader, server_writer = await asyncio.open_connection(host, port)
        self._streams |= {writer, server_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, server_writer, flowing))
                group.create_task(self._pass(server_reader, writer, flowing))
        except* ConnectionError:
            pass
        finally:
            self._streams -= {writer, server_writer}

    @staticmethod
    async def _pass(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            await flowing.wait()
            writer.write(data)
        writer.close()
