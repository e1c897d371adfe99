"""HTTP as the server speaks it, with the limits that it leaves to a proxy."""

import asyncio
from collections.abc import Awaitable
from string import ascii_lowercase, digits
from typing import Any, cast

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

MAX_HEAD_BYTES = 64 * 1024
"""The largest request line with its headers."""

REST_SECONDS = 10.0
"""What a client has to complete a head, or a body that was answered before its end."""

_OF_NAMES = f"{ascii_lowercase}{digits}!#$%&'*+-.^_`|~".encode()
_OF_VALUES = bytes({*range(256)} - {*range(32), 127} | {ord("\t")})
# https://www.rfc-editor.org/rfc/rfc9110#section-5


class Answer:
    """Sends a response of a known length at once, its head together with its body.

    The server writes one after the other, which is two system calls, two packets, and a client
    that wakes up twice; and it takes each header by itself. Here a head waits for the first part of
    its body. What is less simple is left to the server.
    """

    def __init__(self, cycle: RequestResponseCycle, send: Send) -> None:
        self._cycle = cycle
        self._send = send
        self._head = b""

    async def send(self, message: Message) -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            self._head = self._hold_head(message)
            if self._head:
                return
        elif self._head:
            if self._finish(message):
                return
            if not self._cycle.disconnected:
                self._cycle.transport.write(self._head)
            self._head = b""
        await self._send(message)

    def _hold_head(self, message: Message) -> bytes:
        """Return the head until its body comes, or nothing if the server has to send it."""
        cycle = self._cycle
        headers = [*cycle.default_headers, *message.get("headers", ())]
        fields = dict(headers)
        if (
            b"content-length" not in fields
            or b"connection" in fields
            or b"transfer-encoding" in fields
            or cycle.scope["method"] == "HEAD"
            or cycle.response_started
            or not cycle.keep_alive
            or cycle.access_log
        ):
            return b""
        values = b"".join([value for _, value in headers])
        if b"".join(fields).translate(None, _OF_NAMES) or values.translate(None, _OF_VALUES):
            # The server refuses it, or has to write it in lower case.
            return b""
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        cycle.chunked_encoding = False
        cycle.expected_content_length = int(fields[b"content-length"])
        lines = b"".join([b"%b: %b\r\n" % (name, value) for name, value in headers])
        return b"%b%b\r\n" % (STATUS_LINE[message["status"]], lines)

    def _finish(self, message: Message) -> bool:
        """Send all of the response if this is its whole body; say whether it was."""
        cycle = self._cycle
        body = message.get("body", b"")
        if (
            len(body) != cycle.expected_content_length
            or message.get("more_body", False)
            or cycle.flow.write_paused
            or cycle.disconnected
        ):
            return False
        cycle.transport.write(self._head + body)
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


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

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - an application of the server's
        def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            answered: Awaitable[None] = app(scope, receive, Answer(cycle, send).send)
            return answered

        super()._start_asgi_task(cycle, cast(Any, serve))

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
