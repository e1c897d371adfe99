"""An upstream on loopback that speaks raw HTTP/1.1, so that it can break it as well."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


class Upstream:
    """Answers each path in its own way and counts its connections."""

    def __init__(self, *, elsewhere: str = "") -> None:
        self.elsewhere = elsewhere
        self.received: list[Received] = []
        self.connections = 0
        self.open_connections = 0
        self.serving = 0
        self.released = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, *, elsewhere: str = "") -> AsyncIterator[Self]:
        upstream = cls(elsewhere=elsewhere)
        server = await asyncio.start_server(upstream._connected, "127.0.0.1", 0)
        upstream.port = server.sockets[0].getsockname()[1]
        try:
            yield upstream
        finally:
            server.close()
            for task in upstream.tasks:
                task.cancel()
            await asyncio.wait_for(server.wait_closed(), 30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the condition may be any
                await asyncio.sleep(0.001)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        self.connections += 1
        self.open_connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while not writer.is_closing():
                    await self._serve(await _read_request(reader), writer)
        finally:
            self.open_connections -= 1
            writer.close()

    async def _serve(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.received.append(request)
        self.serving += 1
        try:
            await self._answer(request, writer)
            await writer.drain()
        finally:
            self.serving -= 1

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> None:
        path = request.target.partition("?")[0]
        if path == "/redirect":
            writer.write(_answer(f"Location: {self.elsewhere}/json", status="302 Found"))
        elif path == "/held":
            await self.released.wait()
            writer.write(_answer(JSON, body=b'"held"'))
        elif path in ANSWERS:
            writer.write(ANSWERS[path])
        elif path in CUT_OFF:
            writer.write(CUT_OFF[path])
            writer.close()
        elif path in STALLED:
            writer.write(STALLED[path])
            await asyncio.Event().wait()
        elif path in MISBEHAVIOURS:
            await MISBEHAVIOURS[path](writer)
        else:
            writer.write(_answer(JSON, body=json.dumps(asdict(request)).encode()))


async def _read_request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *fields = head.rstrip().split("\r\n")
    headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
    body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
    method, target, _ = line.split(" ")
    return Received(method, target, headers, body)


def _answer(*headers: str, status: str = "200 OK", body: bytes = b"") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "\r\n"]).encode() + body


async def _trickle(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.01)


JSON = "Content-Type: application/json"

ANSWERS = {
    "/json": _answer(JSON, body=b'{"n": [1, 2.5, null, "\\u00e9"]}'),
    "/problem": _answer(
        "Content-Type: Application/Problem+JSON; charset=utf-8",
        status="418 I'm a teapot",
        body=b'{"title": "No coffee"}',
    ),
    "/text": _answer("Content-Type: text/plain", body="é\0".encode()),
    "/empty": _answer(JSON, status="503 Service Unavailable"),
    "/no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/no-json": _answer(JSON, body=b"<html>"),
    "/binary": _answer("Content-Type: image/png", body=b"\x89PNG\xff"),
    "/too-large": _answer("Content-Type: text/plain", body=b"x" * 1_048_577),
    "/compressed": _answer("Content-Encoding: br", body=b"\x0b\x02\x80x\x03"),
}

CUT_OFF = {
    "/closing": _answer(JSON, body=b'"closing"'),
    "/closed": b"",
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
}

STALLED = {
    "/silent": b"",
    "/stalling": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
}

MISBEHAVIOURS: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {
    "/trickling": _trickle,
}
