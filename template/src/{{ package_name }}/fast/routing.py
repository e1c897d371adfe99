"""Fast paths: valid requests to the busiest routes, answered before FastAPI handles them.

A fast path stands beside an ordinary route. It takes a request only when all values in it are
valid, and answers as the ordinary route does; any other request goes on to the ordinary routes,
which know how to refuse it. So a wrong method, a bad value or a body that is too large is answered
by FastAPI itself, with and without fast paths.

A fast path runs no dependencies: a route that is guarded by one must not have a fast path. While
``app.dependency_overrides`` is set, as in tests, no fast path takes anything.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, TypeAdapter, ValidationError, create_model
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send
# {% if orjson %}

from ..web.serialization import dumps
# {% endif %}

Endpoint = Callable[..., Awaitable[Any]]

JSON = b"application/json"
MAX_BODY_BYTES = 64 * 1024
"""A larger body is handled by the ordinary route, which has a limit."""

_UNHANDLED = (500, Exception)
"""What Starlette handles outside all middleware."""


class FastPath:
    """An endpoint, and how its arguments are found in a request.

    Its first parameter is the ``Database``. A parameter whose type is a model is the body; the
    others are values of the path and of the query, declared as for FastAPI.
    """

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        *,
        status: int = 200,
        location: Callable[[Any], str] | None = None,
    ) -> None:
        signature = inspect.signature(endpoint, eval_str=True)
        _, *parameters = signature.parameters.values()
        bodies = [each for each in parameters if _is_model(each.annotation)]
        fields: Any = {
            each.name: (each.annotation, ... if each.default is each.empty else each.default)
            for each in parameters
            if each not in bodies
        }
        self.endpoint = endpoint
        self._pattern, self.path_format, _ = compile_path(path)
        self.status = status
        self.location = location
        self.body = bodies[0] if bodies else None
        self._values: TypeAdapter[BaseModel] = TypeAdapter(create_model("Values", **fields))
        self._body: TypeAdapter[Any] = TypeAdapter(self.body.annotation if self.body else None)
        # {% if not orjson %}
        self._response: TypeAdapter[Any] = TypeAdapter(signature.return_annotation)
        # {% endif %}

    def match(self, path: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the values in path and query, or None where one is missing or not valid."""
        found = self._pattern.match(path)
        if found is None:
            return None
        try:
            values = self._values.validate_python({**query, **found.groupdict()})
        except ValidationError:
            return None
        return vars(values)

    def read(self, scope: Scope, body: bytes | None) -> BaseModel | None:
        """Return the body as a model, or None unless it is valid JSON."""
        if body is None or (b"content-type", JSON) not in scope["headers"]:
            return None
        try:
            model: BaseModel = self._body.validate_json(body)
        except ValidationError:
            return None
        return model

    async def send(self, scope: Scope, send: Send, result: object) -> None:
        """Send the answer."""
        # {% if orjson %}
        # orjson writes a dataclass by itself, and fastest if it has no slots.
        body = dumps(result)
        # {% else %}
        body = self._response.dump_json(result)
        # {% endif %}
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", JSON)]
        if self.location is not None:
            place = scope.get("root_path", "").rstrip("/") + self.location(result)
            headers.append((b"location", place.encode("latin-1")))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class FastPaths:
    """The fast paths of a resource, by method.

    fast_invoices = FastPaths(prefix="/invoices")

    @fast_invoices.get("/{invoice_id:uuid}")
    async def get_invoice(database: Database, invoice_id: UUID) -> InvoiceRow: ...
    """

    def __init__(self, *, prefix: str = "") -> None:
        self.prefix = prefix
        self.by_method: dict[str, list[FastPath]] = {"GET": [], "POST": []}

    def get(self, path: str) -> Callable[[Endpoint], Endpoint]:
        """Add a path that is answered with what the function returns."""

        def add(endpoint: Endpoint) -> Endpoint:
            self.by_method["GET"].append(FastPath(self.prefix + path, endpoint))
            return endpoint

        return add

    def post(self, path: str, *, location: Callable[[Any], str]) -> Callable[[Endpoint], Endpoint]:
        """Add a path that creates something: 201, with its ``location``."""

        def add(endpoint: Endpoint) -> Endpoint:
            added = FastPath(self.prefix + path, endpoint, status=201, location=location)
            self.by_method["POST"].append(added)
            return endpoint

        return add


class FastPathMiddleware:
    """Answers what is on a fast path; it belongs inside all other middleware."""

    def __init__(self, app: ASGIApp, *groups: FastPaths) -> None:
        self.app = app
        self._paths = {
            method: [path for group in groups for path in group.by_method[method]]
            for method in ("GET", "POST")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope) if scope["type"] == "http" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        path, values = found
        if path.body is not None:
            messages = await _received(receive)
            body = path.read(scope, _joined(messages))
            if body is None:
                await self.app(scope, _again(messages, receive), send)
                return
            values[path.body.name] = body
        scope["route"] = path
        try:
            result = await path.endpoint(scope["state"]["database"], **values)
        except Exception as error:  # noqa: BLE001 - it is handled or raised again
            await _handle(error, scope, receive, send)
        else:
            await path.send(scope, send, result)

    def _find(self, scope: Scope) -> tuple[FastPath, dict[str, Any]] | None:
        paths = self._paths.get(scope["method"])
        if not paths or scope["app"].dependency_overrides or "database" not in scope["state"]:
            return None
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        query = _parsed(scope["query_string"].decode("latin-1"))
        for candidate in paths:
            values = candidate.match(path, query)
            if values is not None:
                return candidate, values
        return None


def _parsed(query: str) -> dict[str, str]:
    if not query:
        return {}
    if "%" in query or "+" in query:
        return dict(parse_qsl(query, keep_blank_values=True))
    # Without escapes there is nothing to decode.
    pairs = [pair.partition("=") for pair in query.split("&")]
    return {name: value for name, _, value in pairs}


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


async def _received(receive: Receive) -> list[Message]:
    messages = [await receive()]
    size = len(messages[0].get("body", b""))
    while messages[-1].get("more_body") and size <= MAX_BODY_BYTES:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
    return messages


def _joined(messages: Sequence[Message]) -> bytes | None:
    """Return the body, or None if it is too large or did not come as a whole."""
    if messages[-1]["type"] != "http.request" or messages[-1].get("more_body"):
        return None
    body = b"".join(message.get("body", b"") for message in messages)
    return body if len(body) <= MAX_BODY_BYTES else None


def _again(messages: Iterable[Message], receive: Receive) -> Receive:
    received = iter(messages)

    async def receive_again() -> Message:
        message = next(received, None)
        return await receive() if message is None else message

    return receive_again


async def _handle(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Have the application's exception handlers answer, as they do for its other routes."""

    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    handlers = scope["app"].exception_handlers.items()
    inner = {kind: handler for kind, handler in handlers if kind not in _UNHANDLED}
    await ExceptionMiddleware(fail, handlers=inner)(scope, receive, send)
