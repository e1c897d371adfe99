"""A provider on loopback whose answers a test chooses."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self


class FakeProvider:
    """Publishes its keys; ``answers`` are sent as they are instead, and None never ends."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, Any] = {}
        self.answers: dict[str, bytes | None] = {}
        self.fetches = 0
        self.tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        provider = cls()
        server = await asyncio.start_server(provider._connected, "127.0.0.1", 0)
        provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield provider
        finally:
            server.close()
            for task in provider.tasks:
                task.cancel()
            await asyncio.wait_for(server.wait_closed(), 30)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            answer = self.answers[path] if path in self.answers else self._document(path)
            if answer is None:
                writer.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
                while True:
                    # Who counts the time between two bytes would wait for ever.
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            else:
                writer.write(answer)
                await writer.drain()
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _document(self, path: str) -> bytes:
        if path == "/keys":
            self.fetches += 1
            return ok(self.keys)
        return ok({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})


def ok(document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
