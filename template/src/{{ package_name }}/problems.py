"""Errors as ``application/problem+json`` (RFC 9457), those of the framework included."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException  # noqa: TID251 - the framework raises it
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from .serialization import dumps

MEDIA_TYPE = "application/problem+json"

CLOSE = {"Connection": "close"}
"""For an answer to a request whose body may never end."""


class Problem(Exception):  # noqa: N818 - the RFC calls it a problem
    """An error with an answer of its own. Subclass it, or raise one of the subclasses.

    ``type`` is the stable part that clients compare; ``detail`` is for people and must not
    carry secrets. Further members are added to the body as they are.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    type: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal server error"

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
    title = "The request body is too large"


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


def problem_response(
    scope: Scope,
    *,
    status: int,
    type: str,  # noqa: A002 - the name of the member
    title: str,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> Response:
    """Build the answer for one problem; it carries the id of the request."""
    body: dict[str, object] = {
        "type": f"urn:problem:{type}",
        "title": title,
        "status": status,
        **({"detail": detail} if detail else {}),
        "request_id": scope.get("state", {}).get("request_id"),
        **(members or {}),
    }
    return Response(dumps(body), status_code=status, headers=headers, media_type=MEDIA_TYPE)


def respond(scope: Scope, problem: Problem) -> Response:
    return problem_response(
        scope,
        status=problem.status,
        type=problem.type,
        title=problem.title,
        detail=problem.detail,
        headers=problem.headers,
        members=problem.members,
    )


async def handle_problem(request: Request, error: Exception) -> Response:
    return respond(request.scope, cast(Problem, error))


async def handle_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework raises: no such route, wrong method, body too large."""
    exception = cast(HTTPException, error)
    if exception.status_code == ContentTooLarge.status:
        return respond(request.scope, ContentTooLarge(headers=CLOSE))
    headers = exception.headers
    if exception.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(sorted(_methods_of_path(request)))}
    phrase = HTTPStatus(exception.status_code).phrase
    return problem_response(
        request.scope,
        status=exception.status_code,
        type=phrase.lower().replace(" ", "-"),
        title=phrase,
        detail=exception.detail if exception.detail != phrase else None,
        headers=headers,
    )


def _methods_of_path(request: Request) -> set[str]:
    # The framework names those of the first route only.
    routes = request.app.routes
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    # Of several paths the most particular one is meant.
    path = min((route.path for route in matching), key=lambda path: path.count("{"))
    return {method for route in matching if route.path == path for method in route.methods}


async def handle_validation_error(request: Request, error: Exception) -> Response:
    """Name each bad field, without echoing its value, which may be a secret."""
    faults = cast(RequestValidationError, error).errors()
    return problem_response(
        request.scope,
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        type="validation-error",
        title="The request is not valid",
        members={"errors": [_field_error(fault) for fault in faults]},
    )


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
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "title": "Problem",
                    "type": "object",
                    "required": ["type", "title", "status", "request_id"],
                    "properties": {
                        "type": {"type": "string", "format": "uri"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "request_id": {"type": "string"},
                    },
                }
            }
        },
    }
}
