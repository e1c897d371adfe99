"""Limits for clients that send too much or too slowly.

uvicorn leaves these limits to a proxy: of its options, ``timeout_keep_alive`` counts only between
two requests, and ``limit_concurrency`` bounds how many clients there are, not how long they stay.
So its protocol is extended here, at the callbacks that asyncio and httptools document.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from .drain import Drain

MAX_HEAD_BYTES = 64 * 1024
"""The largest request line with its headers, give or take what is received at once."""

REST_SECONDS = 10.0
"""What a client has to complete a head, or a body that was answered before its end.

The rest of such a body is dropped: many a client reads no answer before it has sent all.
"""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with limits; a request that is served has its deadline."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base has it
        """Give the client as long for its first request as between two."""
        super().connection_made(transport)
        self._in_head = False
        self._received = 0
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
        self._received += len(data)
        super().data_received(data)
        is_served = self._served() is not None
        if self._in_head and self._received > MAX_HEAD_BYTES:
            self.send_400_response("The request has too many headers.")
        if is_served or self.transport.get_protocol() is not self:  # it may be a WebSocket by now
            self._end_patience()
        elif self._patience is None:
            self._patience = self.loop.call_later(REST_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._in_head = True
        self._received = 0

    def on_headers_complete(self) -> None:
        """Serve the request; while the process drains, ask the client to leave after it.

        Otherwise the connection is kept, and cut when the listeners close, perhaps with a request
        on its way.
        """
        super().on_headers_complete()
        self._in_head = False
        drain: Drain | None = self.app_state.get("drain")
        if drain and drain.draining and (served := self._served()):
            served.keep_alive = False

    def _served(self) -> RequestResponseCycle | None:
        cycle: RequestResponseCycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
