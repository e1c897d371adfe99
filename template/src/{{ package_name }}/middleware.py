"""Middleware as plain ASGI, which keeps context variables and costs little."""

import asyncio
import re
import time
from secrets import token_hex

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .drain import Drain
from .problems import ContentTooLarge, DeadlineExceeded, Problem, respond

REQUEST_ID = "X-Request-ID"
RESPONSE_TIME = "X-Response-Time"

CLOSE = {"Connection": "close"}
"""For an answer to a request whose body may never end."""

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
        # Otherwise a logger is made for each line.
        self._log = log.bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request under its id."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0
        request_id = _given_id(scope) or token_hex(16)
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
            self._log.info(
                "request",
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
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request within the budget."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False
        answer: asyncio.Future[None] | None = None

        async def send_unless_late(message: Message) -> None:
            nonlocal started
            if answer is None:
                started = True
                await send(message)

        def give_up() -> None:
            nonlocal answer
            if not started:
                response = respond(scope, DeadlineExceeded(headers=CLOSE))
                sending = response(scope, receive, send)
                answer = asyncio.ensure_future(sending)  # noqa: TID251 - awaited below
            budget.reschedule(loop.time())

        loop = asyncio.get_running_loop()
        timer = loop.call_later(self.seconds, give_up)
        budget = asyncio.timeout(None)
        try:
            async with budget:
                await self.app(scope, receive, send_unless_late)
        except TimeoutError:
            if started or not budget.expired():
                raise
        finally:
            timer.cancel()
            if answer is not None:
                await answer


class BodyLimitMiddleware:
    """Answers a body over the limit of its route with a problem.

    The framework enforces the limit, but answers in plain text when Content-Length alone tells.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        if scope["type"] != "http" or scope["method"] == "GET":
            await self.app(scope, receive, send)
            return
        answered = False

        async def send_as_problem(message: Message) -> None:
            nonlocal answered
            if message.get("status") == ContentTooLarge.status:
                answered = True
                await respond(scope, ContentTooLarge(headers=CLOSE))(scope, receive, send)
            elif not answered:
                await send(message)

        await self.app(scope, receive, send_as_problem)
