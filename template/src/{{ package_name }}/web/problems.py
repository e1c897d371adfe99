"""Errors as ``application/problem+json`` (RFC 9457), those of the framework included."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException  # noqa: TID251 - the framework raises it
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.status import WS_1008_POLICY_VIOLATION, WS_1011_INTERNAL_ERROR
from starlette.types import Receive, Scope, Send

from .serialization import dumps

log = structlog.get_logger()


class Problem(Exception):  # noqa: N818 - the RFC calls it a problem
    """An error with a response of its own. Subclass it, or raise one of the subclasses.

    ``type`` is the stable part that clients compare; ``detail`` is for people and must not
    carry secrets. Further members are added to the body as they are. In a WebSocket the answer is
    a close with the title as its reason.
    """

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    type: str = "internal-error"
    title: str = "Internal server error"

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = headers
        self.members = members


class NotFound(Problem):
    status = HTTPStatus.NOT_FOUND
    type = "not-found"
    title = "Not found"


class Conflict(Problem):
    status = HTTPStatus.CONFLICT
    type = "conflict"
    title = "Conflict with the stored data"


class ContentTooLarge(Problem):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    type = "content-too-large"
    title = "Content Too Large"


class NotValid(Problem):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    type = "validation-error"
    title = "The request is not valid"


class DeadlineExceeded(Problem):
    status = HTTPStatus.GATEWAY_TIMEOUT
    type = "deadline-exceeded"
    title = "The request took too long"


class Unavailable(Problem):
    """The request may succeed when it is sent again after ``retry_after`` seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = "unavailable"
    title = "Temporarily unavailable"

    def __init__(
        self, detail: str | None = None, *, retry_after: int = 1, **members: object
    ) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)}, **members)


class ProblemBody(BaseModel):
    """The members that every problem has; ``detail`` only where there is more to say."""

    type: str
    title: str
    status: int
    detail: str = ""
    request_id: str


class ProblemResponse(Response):
    """The answer for one problem; it carries the id of the request."""

    media_type = "application/problem+json"

    def __init__(self, problem: Problem, scope: Scope) -> None:
        self.title = problem.title
        body = {
            "type": f"urn:problem:{problem.type}",
            "title": problem.title,
            "status": problem.status,
            **({"detail": problem.detail} if problem.detail else {}),
            "request_id": scope.get("state", {}).get("request_id"),
            **problem.members,
        }
        super().__init__(dumps(body), status_code=problem.status, headers=problem.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, or close a WebSocket."""
        if scope["type"] != "websocket":
            await super().__call__(scope, receive, send)
            return
        is_ours = self.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        code = WS_1011_INTERNAL_ERROR if is_ours else WS_1008_POLICY_VIOLATION
        await send({"type": "websocket.close", "code": code, "reason": self.title})


async def handle_problem(connection: HTTPConnection, problem: Problem) -> Response:
    return ProblemResponse(problem, connection.scope)


async def handle_http_exception(connection: HTTPConnection, error: HTTPException) -> Response:
    """Answer what the framework raises: no such route, wrong method, body too large."""
    phrase = _phrase(error.status_code)
    problem = Problem(error.detail if error.detail != phrase else None, headers=error.headers)
    problem.status, problem.title = error.status_code, phrase
    problem.type = phrase.lower().replace(" ", "-")
    return ProblemResponse(problem, connection.scope)


def _phrase(status: int) -> str:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "Content Too Large"  # the newer name, as Starlette has it
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP {status}"


async def handle_timeout(connection: HTTPConnection, error: TimeoutError) -> Response:
    """Answer when something that the request waits for has taken too long."""
    log.error("a timeout that nobody handled", exc_info=error)
    return ProblemResponse(DeadlineExceeded(), connection.scope)


async def handle_validation_error(
    connection: HTTPConnection, error: RequestValidationError
) -> Response:
    """Name each bad field, without echoing its value, which may be a secret."""
    problem = NotValid(errors=[_field_error(fault) for fault in error.errors()])
    return ProblemResponse(problem, connection.scope)


def _field_error(fault: Mapping[str, Any]) -> dict[str, str]:
    place, *names = fault["loc"]
    if fault["type"] == "json_invalid":
        names = []
    return {
        "in": str(place),
        "field": ".".join(map(str, names)) or str(place),
        "message": fault["msg"],
        "type": fault["type"],
    }


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457)",
        "content": {ProblemResponse.media_type: {"schema": ProblemBody.model_json_schema()}},
    }
}
