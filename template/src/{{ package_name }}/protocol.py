"""HTTP as the server speaks it, with the limits that it leaves to a proxy."""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 64 * 1024
"""The largest request line with its headers."""

REST_SECONDS = 10.0
"""What a client has to complete a head, or a body that was answered before its end."""


class ResponseWriter:
    """Writes the head of a response together with the beginning of its body.

    The server writes one after the other, which is two system calls, two packets, and a client
    that wakes up twice. A body that takes its time holds the head up for a turn of the event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Write a part of the response; the first is its head."""
        if self._head is None:
            self._head = data
            self._loop.call_soon(self._write_head)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Say whether nothing can be written any more."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close the connection after what was written."""
        self._write_head()
        self._transport.close()

    def _write_head(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""


class BoundedProtocol(HttpToolsProtocol):
    """Leaves clients that take their time, or say too much, while nothing is served to them.

    The server itself waits for ever for the first request of a connection and for the rest of a
    head, however long that grows. A request that is being served has its deadline.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base has it
        """Give the client as long for its first request as between two."""
        super().connection_made(transport)
        self._in_head = False
        self._head_bytes = 0
        self._patience: asyncio.TimerHandle | None = None
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        super().connection_lost(exc)
        self._end_patience()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends, and look how much of it is still to come."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response("The request has too many headers.")
                return
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is not None and not cycle.response_complete:
            self._end_patience()
        elif self._patience is None:
            self._patience = self.loop.call_later(REST_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Serve the request."""
        super().on_headers_complete()
        self._in_head = False
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is not None:
            cycle.transport = cast(asyncio.Transport, ResponseWriter(self.transport, self.loop))

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
