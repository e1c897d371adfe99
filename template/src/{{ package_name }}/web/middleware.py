"""Middleware as plain ASGI classes, each for one task; ``main.py`` has their order.

``BaseHTTPMiddleware`` would lose context variables and end background tasks with the client.
"""

import re
import time
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import cast

import structlog
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid4

from .problems import ContentTooLarge, Problem, ProblemResponse

REQUEST_ID = "X-Request-ID"
RESPONSE_TIME = "X-Response-Time"

_REQUEST_ID = REQUEST_ID.lower().encode()
_RESPONSE_TIME = RESPONSE_TIME.lower().encode()
_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_FORBIDDEN_IN_HEADERS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# https://www.rfc-editor.org/rfc/rfc9110#section-5.5


class RequestIdMiddleware:
    """Gives each request an id, on its response, its problems and all its log lines.

    An id that the client sends is kept when it is safe to log; anything else is replaced.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request_id = _given_id(scope) or uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        # A server may begin a request with what was bound in another one of the same client.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_header(message, _REQUEST_ID, request_id)
            await send(message)

        await self.app(scope, receive, send_with_id)


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _REQUEST_ID:
            return value.decode() if _VALID_REQUEST_ID.fullmatch(value) else None
    return None


class ResponseTimeMiddleware:
    """Adds a header with the milliseconds until the response began."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = scope.setdefault("state", {})["start"] = time.perf_counter()

        async def send_with_time(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_header(message, _RESPONSE_TIME, _milliseconds_since(start))
            await send(message)

        await self.app(scope, receive, send_with_time)


def _add_header(message: Message, name: bytes, value: str) -> None:
    message["headers"] = [*message.get("headers", ()), (name, value.encode())]


def _milliseconds_since(start: float) -> str:
    return f"{(time.perf_counter() - start) * 1000:.2f}ms"


class RequestLogMiddleware:
    """Logs one line for each request, at its end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._log = structlog.get_logger().bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        finally:
            self._log.info(
                "request",
                method=scope["method"],
                route=route_of(scope),
                path=scope["path"],
                status=status or 500,  # what nobody handles is answered outside all middleware
                milliseconds=round((time.perf_counter() - start) * 1000, 2),
            )


def route_of(scope: Scope) -> str:
    """Return the template of the matched path, such as ``/items/{item_id}``, or an empty text.

    Below a mounted application, the template is that of the mounted application.
    """
    route = scope.get("route")
    templates = _templates_of(scope["app"])
    # FastAPI tells which of its routes was matched, and of others only what they call.
    found = templates.get(id(route)) or templates.get(id(scope.get("endpoint")))
    if found is None:
        own: str = getattr(route, "path_format", "")
        return own
    if len(found) > 1:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        found = [each for each in found if each[0].match(path)] or found
    return found[0][1]


@lru_cache
def _templates_of(app: Starlette) -> dict[int, list[tuple[re.Pattern[str], str]]]:
    """Return pattern and template, by the identity of a route and of what it calls.

    A route alone does not know the prefix by which its router was included. A router that was
    included twice gives two templates to each of its routes.
    """
    found: dict[int, list[tuple[re.Pattern[str], str]]] = {}
    for context in iter_route_contexts(getattr(app, "routes", ())):
        if context.path_format is not None:
            for key in (context.original_route, context.endpoint or context.app):
                found.setdefault(id(key), []).append((context.path_regex, context.path_format))
    return found


class ProblemMiddleware:
    """Turns errors that no exception handler sees into problems.

    FastAPI answers a body over ``max_body_size`` in plain text, and a header that HTTP forbids
    would end the connection without an answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_replaced = False

        async def send_or_replace(message: Message) -> None:
            nonlocal is_replaced
            if message["type"] == "http.response.start":
                _require_valid(message.get("headers", ()))
                is_replaced = _is_plain_413(message)
                if is_replaced:
                    await ProblemResponse(ContentTooLarge(), scope)(scope, receive, send)
            if not is_replaced:
                await send(message)

        await self.app(scope, receive, send_or_replace)


async def handle_unexpected_error(connection: HTTPConnection, _error: Exception) -> Response:
    """Answer an exception that has no handler.

    FastAPI calls this outside of all middleware, and raises the exception again afterwards. So the
    headers that the middleware would have added are added here.
    """
    state = connection.scope.get("state", {})
    headers = {
        **({REQUEST_ID: state["request_id"]} if "request_id" in state else {}),
        **({RESPONSE_TIME: _milliseconds_since(state["start"])} if "start" in state else {}),
    }
    response: ASGIApp = ProblemResponse(Problem(headers=headers), connection.scope)
    for layer in connection.app.user_middleware:
        if layer.cls is CORSMiddleware:
            response = layer.cls(response, *layer.args, **layer.kwargs)
    return cast(Response, response)


def _require_valid(headers: Iterable[tuple[bytes, bytes]]) -> None:
    # The server refuses them too, but then nothing can be answered any more.
    if _FORBIDDEN_IN_HEADERS.search(b"".join(chain.from_iterable(headers))):
        message = "a sign that HTTP forbids is in a response header"
        raise ValueError(message)


def _is_plain_413(message: Message) -> bool:
    if message["status"] != ContentTooLarge.status:
        return False
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/plain")
