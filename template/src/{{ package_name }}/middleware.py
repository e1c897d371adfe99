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


def milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _REQUEST_ID:
            return value.decode() if _VALID_REQUEST_ID.fullmatch(value) else None
    return None


class RequestMiddleware:
    """Gives each request an id, tells and logs how long it took, and answers what nothing caught.

    An id that the client sends is kept when it is safe to log; anything else is replaced. It is on
    the response and on every log line of the request. The framework would answer an unexpected
    error outside all middleware, and so without the id that its log line is found by.

    All of this is one layer, because a layer costs more than what most of them do.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._log = request_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request under its id."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0
        request_id = _given_id(scope) or uuid4().hex
        scope["state"]["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        drain: Drain = scope["state"]["drain"]

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (_REQUEST_ID, request_id.encode()),
                    (_RESPONSE_TIME, b"%.2fms" % milliseconds_since(start)),
                ]
                drain.close_connection(message)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:
            log.exception("unhandled error")
            if status:
                raise
            await respond(scope, Problem())(scope, receive, send_with_headers)
        finally:
            self._log(
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=round(milliseconds_since(start), 2),
            )


class DeadlineMiddleware:
    """Ends a request that exceeds its budget: what it waits for is cancelled.

    The answer is not held up by what must be cleaned up then, since a database that hangs takes
    its time for that too. A response that has begun cannot be replaced, so its connection is
    closed instead.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self.app = app
        self._timer = SharedTimer(_Exchange.give_up, seconds=seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request within the budget."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        self._timer.add(exchange)
        try:
            await self.app(scope, receive, exchange.send)
        except asyncio.CancelledError:
            if not exchange.is_late or exchange.is_cancelled_otherwise():
                raise
            if exchange.has_begun:
                raise TimeoutError from None
        finally:
            self._timer.discard(exchange)
            if exchange.is_late:
                await exchange.end()


class _Exchange:
    """A request, and its answer while there is time for it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._task = cast(asyncio.Task[object], asyncio.current_task())
        self._cancellations = self._task.cancelling()
        self._answer: asyncio.Future[None] | None = None
        self.has_begun = False
        self.is_late = False

    async def send(self, message: Message) -> None:
        if self._answer is None:
            self.has_begun = True
            await self._send(message)

    def give_up(self) -> None:
        self.is_late = True
        if not self.has_begun:
            response = respond(self._scope, DeadlineExceeded(headers=CLOSE))
            sending = response(self._scope, self._receive, self._send)
            self._answer = asyncio.ensure_future(sending)  # noqa: TID251 - awaited in end()
        self._task.cancel()

    def is_cancelled_otherwise(self) -> bool:
        return self._task.cancelling() > self._cancellations + 1

    async def end(self) -> None:
        # As asyncio.timeout() does, which takes three times as long.
        self._task.uncancel()
        if self._answer is not None:
            await self._answer


class BodyLimitMiddleware:
    """Bounds the body of a request by ``max_body_size`` of its route, or else by a common limit.

    The framework puts three layers around a route for it, which take a twentieth of the time of
    an insert.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        if scope["type"] != "http" or scope["method"] == "GET":
            await self.app(scope, receive, send)
            return
        declared = _declared_bytes(scope)
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            # The route is known by the time its body is read.
            limit = getattr(scope.get("route"), "max_body_size", None) or self._max_bytes
            if declared <= limit:
                message = await receive()
                received += len(message.get("body", b""))
                if received <= limit:
                    return message
            raise HTTPException(ContentTooLarge.status)

        await self.app(scope, receive_within_limit, send)


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0
