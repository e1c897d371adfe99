"""Path operations with plain parameters, run as the framework does but in fewer steps."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from inspect import iscoroutinefunction, signature
from typing import Any, Self, cast

from fastapi import Request
from fastapi._compat import (
    ModelField,
    field_annotation_is_scalar,
    get_missing_field_error,
    lenient_issubclass,
)
from fastapi.datastructures import DefaultPlaceholder
from fastapi.exceptions import (
    EndpointContext,
    RequestValidationError,
    ResponseValidationError,
)
from fastapi.params import Body, Param
from fastapi.routing import APIRoute, _extract_endpoint_context
from fastapi.utils import is_body_allowed_for_status_code
from pydantic import BaseModel
from starlette.exceptions import HTTPException  # noqa: TID251 - the framework lets it pass
from starlette.responses import Response

JSON = "application/json"

UNCHANGING = (str, int, float, Enum, type(None))
"""Types of defaults that need no copy for each request."""


class PlainOperation:
    """Takes what an endpoint needs, calls it, and serialises what it returns.

    The framework finds out anew for each request what the endpoint takes, from where, and what to
    do with the result, which is a quarter of the processor time of a read, or more. Here that is
    known before, for asynchronous endpoints that take single values of the path and the query, a
    model as the body, and the request, and whose answer is of a model or made by themselves. A
    body that is no JSON object is left to the framework.
    """

    def __init__(self, route: APIRoute) -> None:
        dependant = route.dependant
        self._route = route
        self._endpoint = cast(Callable[..., Awaitable[object]], route.endpoint)
        self._path = [_Value.of(field) for field in dependant.path_params]
        self._query = [_Value.of(field) for field in dependant.query_params]
        self._body = dependant.body_params[0] if dependant.body_params else None
        self._request_name = dependant.request_param_name
        self._result = cast(ModelField, route.response_field)
        self._status_code = route.status_code or 200

    @classmethod
    def of(cls, route: APIRoute) -> Self | None:
        """Return that of a route, or None if the route needs more."""
        return cls(route) if _is_plain(route) else None

    async def respond(self, request: Request) -> Response | None:
        """Answer a request, or return None if its body is no JSON object.

        Raises:
            RequestValidationError: the request is not what the endpoint takes.
            ResponseValidationError: the endpoint returned what its response model is not.
            HTTPException: the body is too large.
        """
        body = None
        if self._body is not None:
            body = await _object_of(request)
            if body is None:
                return None
        result = await self._endpoint(**self._take(request, body))
        return result if isinstance(result, Response) else self._serialize(result, request)

    def _take(self, request: Request, body: dict[str, Any] | None) -> dict[str, Any]:
        values: dict[str, Any] = {}
        errors: list[Any] = []
        for each in self._path:
            values[each.name] = each.take(request.path_params.get(each.alias), errors)
        if self._query:
            query = request.query_params
            for each in self._query:
                values[each.name] = each.take(query.get(each.alias), errors)
        if self._body is not None:
            values[self._body.name], wrong = self._body.validate(body, loc=("body",))
            errors += wrong
        if errors:
            raise RequestValidationError(errors, body=body, endpoint_ctx=self._context(request))
        if self._request_name is not None:
            values[self._request_name] = request
        return values

    def _serialize(self, result: object, request: Request) -> Response:
        value, errors = self._result.validate(result, loc=("response",))
        if errors:
            context = self._context(request)
            raise ResponseValidationError(errors, body=result, endpoint_ctx=context)
        content = self._result.serialize_json(value)
        return Response(content, status_code=self._status_code, media_type=JSON)

    def _context(self, request: Request) -> EndpointContext:
        root_path = request.scope.get("root_path", "").rstrip("/")
        return {
            **_extract_endpoint_context(self._route.endpoint),
            "path": f"{request.method} {root_path}{self._route.dependant.path}",
        }


@dataclass(frozen=True, slots=True)
class _Value:
    """A parameter that is a single value of the path or of the query."""

    field: ModelField
    name: str
    alias: str
    location: tuple[str, str]
    is_required: bool
    default: Any

    @classmethod
    def of(cls, field: ModelField) -> Self:
        info = cast(Param, field.field_info)
        return cls(
            field=field,
            name=field.name,
            alias=field.alias,
            location=(info.in_.value, field.alias),
            is_required=info.is_required(),
            default=info.default,
        )

    def take(self, text: str | None, errors: list[Any]) -> Any:  # noqa: ANN401 - what the endpoint declares
        if text is not None:
            value, wrong = self.field.validate(text, loc=self.location)
            errors += wrong
            return value
        if self.is_required:
            errors.append(get_missing_field_error(loc=self.location))
        return self.default


def _is_plain(route: APIRoute) -> bool:
    dependant = route.dependant
    values = [*dependant.path_params, *dependant.query_params]
    taken = {field.name for field in [*values, *dependant.body_params]}
    if dependant.request_param_name is not None:
        taken.add(dependant.request_param_name)
    return (
        iscoroutinefunction(route.endpoint)
        and not dependant.dependencies
        and taken == signature(route.endpoint).parameters.keys()
        and all(map(_is_single, values))
        and (not dependant.body_params or _has_one_model(route))
        and _has_plain_result(route)
    )


def _is_single(field: ModelField) -> bool:
    info = field.field_info
    return (
        field_annotation_is_scalar(info.annotation)
        and (info.validation_alias is None or info.validation_alias == field.alias)
        and not info.validate_default
        and (info.is_required() or isinstance(info.default, UNCHANGING))
    )


def _has_one_model(route: APIRoute) -> bool:
    # Where several models are the members of the body, its field is another one.
    field = route.dependant.body_params[0]
    return (
        field is route.body_field
        and type(field.field_info) is Body
        and lenient_issubclass(field.field_info.annotation, BaseModel)
    )


def _has_plain_result(route: APIRoute) -> bool:
    return (
        route.response_field is not None
        and isinstance(route.response_class, DefaultPlaceholder)
        and is_body_allowed_for_status_code(route.status_code)
        and route.response_model_include is None
        and route.response_model_exclude is None
        and route.response_model_by_alias
        and not route.response_model_exclude_unset
        and not route.response_model_exclude_defaults
        and not route.response_model_exclude_none
    )


async def _object_of(request: Request) -> dict[str, Any] | None:
    media_type, _, _ = request.headers.get("content-type", "").partition(";")
    if media_type != JSON:
        return None
    try:
        value = await request.json()
    except HTTPException:
        raise
    except Exception:  # noqa: BLE001 - the framework says what is wrong
        return None
    return value if isinstance(value, dict) else None
