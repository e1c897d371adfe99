"""A proxy between a server and its database that counts what goes through.

A round trip is a turn: the server sends something after the database has spoken last. Statements
are the messages that run one; both are counted on all connections together.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, urlsplit

POSTGRES_PORT = 5432
MYSQL_PORT = 3306

REFUSABLE = (80877103, 80877104)
"""PostgreSQL's requests for TLS and GSSAPI, which would hide what is to be counted."""


@dataclass
class Counts:
    """What has gone through since the start."""

    statements: int = 0
    round_trips: int = 0


class PostgresMessages:
    """Finds the messages in what a client of PostgreSQL sends."""

    def __init__(self) -> None:
        self._buffer = b""
        self._started = False

    def refuses(self, data: bytes) -> bool:
        """Say whether this is a request for encryption."""
        return not self._started and int.from_bytes(data[4:8]) in REFUSABLE

    def statements(self, data: bytes) -> int:
        """Return the number of statements that these bytes complete."""
        self._buffer += data
        number = 0
        # The first message has no type.
        while len(self._buffer) >= 5:
            at = 1 if self._started else 0
            length = int.from_bytes(self._buffer[at : at + 4])
            if len(self._buffer) < at + length:
                break
            # Query and Execute.
            number += self._started and self._buffer[:1] in b"QE"
            self._started = True
            self._buffer = self._buffer[at + length :]
        return number


class MySqlMessages:
    """Finds the packets in what a client of MySQL or MariaDB sends."""

    def __init__(self) -> None:
        self._buffer = b""

    def refuses(self, _data: bytes) -> bool:
        """Say whether this is a request for encryption; no client asks for it in advance."""
        return False

    def statements(self, data: bytes) -> int:
        """Return the number of statements that these bytes complete."""
        self._buffer += data
        number = 0
        while len(self._buffer) >= 5:
            length = int.from_bytes(self._buffer[:3], "little")
            if len(self._buffer) < 4 + length:
                break
            # COM_QUERY and COM_STMT_EXECUTE; what follows the greeting has a later number.
            number += self._buffer[3] == 0 and self._buffer[4] in (0x03, 0x17)
            self._buffer = self._buffer[4 + length :]
        return number


@dataclass
class Proxy:
    """Passes everything on to the database of a URL."""

    target: SplitResult
    counts: Counts = field(default_factory=Counts)
    port: int = 0
    loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        """The URL of the same database, through the proxy."""
        user = self.target.netloc.rpartition("@")[0]
        netloc = f"{user}@127.0.0.1:{self.port}"
        return self.target._replace(netloc=netloc, query="").geturl()

    async def serve(self, started: threading.Event, end: asyncio.Event) -> None:
        self.loop = asyncio.get_running_loop()
        async with await asyncio.start_server(self._connect, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            await end.wait()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        query = parse_qs(self.target.query)
        if "unix_socket" in query:
            return await asyncio.open_unix_connection(query["unix_socket"][0])
        port = self.target.port or (POSTGRES_PORT if self._postgres else MYSQL_PORT)
        if "host" in query:
            return await asyncio.open_unix_connection(f"{query['host'][0]}/.s.PGSQL.{port}")
        return await asyncio.open_connection(self.target.hostname, port)

    @property
    def _postgres(self) -> bool:
        return self.target.scheme.startswith("postgresql")

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        messages = PostgresMessages() if self._postgres else MySqlMessages()
        server_reader, server_writer = await self._open()
        spoken = [True]

        async def up() -> None:
            while data := await reader.read(65536):
                if messages.refuses(data):
                    writer.write(b"N")
                    continue
                self.counts.statements += messages.statements(data)
                self.counts.round_trips += spoken[0]
                spoken[0] = False
                server_writer.write(data)
            server_writer.close()

        async def down() -> None:
            while data := await server_reader.read(65536):
                spoken[0] = True
                writer.write(data)
            writer.close()

        # A connection may still be open when all is over.
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(up(), down())


@contextmanager
def counting(url: str) -> Iterator[Proxy | None]:
    """Run a proxy to the database in a thread; there is none to a file."""
    target = urlsplit(url)
    if target.scheme.startswith("sqlite"):
        yield None
        return
    proxy, started, end = Proxy(target), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(started, end)), daemon=True)
    thread.start()
    started.wait()
    assert proxy.loop
    try:
        yield proxy
    finally:
        proxy.loop.call_soon_threadsafe(end.set)
        thread.join()
