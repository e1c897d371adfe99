"""Middleware as plain ASGI, which keeps context variables and costs little."""

import asyncio
import re
import time
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .drain import Drain
from .problems import ContentTooLarge, DeadlineExceeded, Problem, respond

REQUEST_ID = "X-Request-ID"
RESPONSE_TIME = "X-Response-Time"

CLOSE = {"Connection": "close"}
"""For an answer to a request whose body may never end."""

_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger()


def add_header(message: Message, name: str, value: str) -> None:
    """Add a header to the start of a response."""
    header = (name.lower().encode(), value.encode())
    message["headers"] = [*message.get("headers", ()), header]


class RequestIdMiddleware:
    """Gives each request an id, on the response and on every log line of the request.

    An id that the client sends is kept when it is safe to log; anything else is replaced.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request under its id."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = self._given(scope) or uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_header(message, REQUEST_ID, request_id)
            await send(message)

        await self.app(scope, receive, send_with_id)

    @staticmethod
    def _given(scope: Scope) -> str | None:
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                return value.decode() if _VALID_REQUEST_ID.fullmatch(value) else None
        return None


class TimingMiddleware:
    """Tells the client how long the service worked, in milliseconds until the first byte."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request and time it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()

        async def send_with_time(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = (time.perf_counter() - start) * 1000
                add_header(message, RESPONSE_TIME, f"{milliseconds:.2f}ms")
            await send(message)

        await self.app(scope, receive, send_with_time)


class LoggingMiddleware:
    """Writes one line a request, and answers what nothing else has caught.

    The framework would answer an unexpected error outside all middleware, and so without the
    request id that its log line is found by.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request and log it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception:
            log.exception("unhandled error")
            if status:
                raise
            await respond(scope, Problem())(scope, receive, send_and_note)
        finally:
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=round((time.perf_counter() - start) * 1000, 2),
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
            if not started and answer is None:
                response = respond(scope, DeadlineExceeded(headers=CLOSE))
                sending = response(scope, receive, send)
                answer = asyncio.ensure_future(sending)  # noqa: TID251 - awaited below

        timer = asyncio.get_running_loop().call_later(self.seconds, give_up)
        budget = asyncio.timeout(self.seconds)
        try:
            async with budget:
                await self.app(scope, receive, send_unless_late)
        except TimeoutError:
            if started or not budget.expired():
                raise
            give_up()
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


class DrainMiddleware:
    """Lets responses ask their clients to leave the connection, once the process drains."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        drain: Drain = scope["state"]["drain"]

        async def send_and_part(message: Message) -> None:
            if message["type"] == "http.response.start":
                drain.close_connection(message)
            await send(message)

        await self.app(scope, receive, send_and_part)
