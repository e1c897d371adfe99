"""Middleware as plain ASGI, which keeps context variables and costs little."""

import asyncio
import re
import time
from typing import cast

import structlog
from starlette.exceptions import HTTPException  # noqa: TID251 - the framework lets it pass
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid4

from .drain import Drain
from .logs import request_logger
from .problems import CLOSE, ContentTooLarge, DeadlineExceeded, Problem, respond
from .timers import SharedTimer

REQUEST_ID = "X-Request-ID"
RESPONSE_TIME = "X-Response-Time"

_REQUEST_ID = REQUEST_ID.lower().encode()
_RESPONSE_TIME = RESPONSE_TIME.lower().encode()
_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger()


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _REQUEST_ID:
            return value.decode() if _VALID_REQUEST_ID.fullmatch(value) else None
    return None


class RequestMiddleware:
    """What each request gets: an id, a deadline, a bound for its body, and a log line.

    An id that the client sends is kept when it is safe to log; anything else is replaced. It is on
    the response and on every log line of the request. The framework would answer an unexpected
    error outside all middleware, and so without the id that its log line is found by.

    A request that exceeds its budget is ended: what it waits for is cancelled. The answer is not
    held up by what must be cleaned up then, since a database that hangs takes its time for that
    too. A response that has begun cannot be replaced, so its connection is closed instead.

    A body is bounded by ``max_body_size`` of its route, or else by a common limit.

    All of this is one layer, because a layer costs more than what most of them do.
    """

    def __init__(self, app: ASGIApp, *, seconds: float, max_body_bytes: int) -> None:
        self.app = app
        self._max_body_bytes = max_body_bytes
        self._timer = SharedTimer(_Exchange.give_up, seconds=seconds)
        self._log = request_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request under its id, within its budget."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, max_body_bytes=self._max_body_bytes)
        self._timer.add(exchange)
        # What has a body is bounded; a GET is only asked whether its client is still there.
        receive = receive if scope["method"] == "GET" else exchange.receive
        try:
            await self.app(scope, receive, exchange.send)
        except asyncio.CancelledError:
            if not exchange.is_late or exchange.is_cancelled_otherwise():
                raise
            if exchange.cannot_be_answered():
                log.warning("deadline exceeded while answering")
                raise TimeoutError from None
        except Exception:
            log.exception("unhandled error")
            if exchange.status:
                raise
            await respond(scope, Problem())(scope, receive, exchange.send)
        finally:
            self._timer.discard(exchange)
            try:
                if exchange.is_late:
                    await exchange.end()
            finally:
                self._log(
                    method=scope["method"],
                    path=scope["path"],
                    status=exchange.status,
                    milliseconds=round(exchange.milliseconds(), 2),
                )


class _Exchange:
    """A request, and its answer while there is time for it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, max_body_bytes: int) -> None:
        self._start = time.perf_counter()
        self._scope = scope
        self._receive = receive
        self._send = send
        self._max_body_bytes = max_body_bytes
        self._body_bytes = 0
        self._drain: Drain = scope["state"]["drain"]
        request_id = _given_id(scope) or uuid4().hex
        scope["state"]["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        self._request_id = request_id.encode()
        self._task = cast(asyncio.Task[object], asyncio.current_task())
        self._cancellations = self._task.cancelling()
        self._answer: asyncio.Future[None] | None = None
        self.is_late = False
        self.status = 0

    def milliseconds(self) -> float:
        """Return how long it has taken so far."""
        return (time.perf_counter() - self._start) * 1000

    async def receive(self) -> Message:
        """Receive a part of the body.

        Raises:
            HTTPException: the body is too large.
        """
        # The route is known by the time its body is read.
        route = self._scope.get("route")
        limit = getattr(route, "max_body_size", None) or self._max_body_bytes
        if self._body_bytes or _declared_bytes(self._scope) <= limit:
            message = await self._receive()
            self._body_bytes += len(message.get("body", b""))
            if self._body_bytes <= limit:
                return message
        raise HTTPException(ContentTooLarge.status)

    async def send(self, message: Message) -> None:
        """Send a part of the answer, unless another one is given already."""
        if self._answer is None:
            await self._send_as_answer(message)

    async def _send_as_answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (_REQUEST_ID, self._request_id),
                (_RESPONSE_TIME, b"%.2fms" % self.milliseconds()),
            ]
            self._drain.close_connection(message)
        await self._send(message)

    def give_up(self) -> None:
        """Answer that the time is over, and cancel what the request waits for."""
        self.is_late = True
        if not self.status:
            response = respond(self._scope, DeadlineExceeded(headers=CLOSE))
            sending = response(self._scope, self._receive, self._send_as_answer)
            self._answer = asyncio.ensure_future(sending)  # noqa: TID251 - awaited in end()
        self._task.cancel()

    def is_cancelled_otherwise(self) -> bool:
        return self._task.cancelling() > self._cancellations + 1

    def cannot_be_answered(self) -> bool:
        """Say whether another answer had begun when the time was over."""
        return self._answer is None

    async def end(self) -> None:
        """Wait until the answer is sent."""
        # As asyncio.timeout() does, which takes three times as long.
        self._task.uncancel()
        if self._answer is not None:
            await self._answer


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0
