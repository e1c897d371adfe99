"""The wiring: which parts make up the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any, cast

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException  # noqa: TID251 - the framework raises it
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from .database.errors import handle_database_error, handle_pool_timeout, handle_stale_data
# {% if health_checks %}
from .health.endpoints import router as health
# {% endif %}
from .lifespan import State, open_state
from .logs import OUTPUT, configure_logging
from .middleware import (
    REQUEST_ID,
    RESPONSE_TIME,
    RequestMiddleware,
)
# {% if example %}
from .orders.endpoints import router as orders
# {% endif %}
from .problems import (
    PROBLEM_RESPONSES,
    Problem,
    handle_http_exception,
    handle_problem,
    handle_validation_error,
)
from .routing import Route
# {% if orjson %}
from .serialization import OrjsonResponse
# {% endif %}
from .settings import Settings, load_settings
# {% if http_client != "none" %}
from .upstream.endpoints import router as upstream
# {% endif %}
# {% if example %}
from .users.endpoints import router as users
# {% endif %}

MAX_BODY_BYTES = 1024 * 1024
"""The largest request body, unless a route sets a limit of its own."""

# {% if example or (health_checks and http_client != "none") %}
ROUTERS: tuple[APIRouter, ...] = (
    # {% if health_checks %}
    health,
    # {% endif %}
    # {% if example %}
    users,
    orders,
    # {% endif %}
    # {% if http_client != "none" %}
    upstream,
    # {% endif %}
)
# {% elif health_checks %}
ROUTERS: tuple[APIRouter, ...] = (health,)
# {% elif http_client != "none" %}
ROUTERS: tuple[APIRouter, ...] = (upstream,)
# {% else %}
ROUTERS: tuple[APIRouter, ...] = ()
# {% endif %}


NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""Without an SDK nobody takes what the framework would tell, but it asks for each request."""


class Service(FastAPI):
    """The application, without the layers that the framework has around all middleware.

    They take a fiftieth of the time of a read. They answer errors and bound bodies, which
    ``RequestMiddleware`` has done before, and tell telemetry of errors, and so they stay where
    somebody takes that.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """Build the layers, beginning with our own."""
        layer: Any = super().build_middleware_stack()
        # ast-grep-ignore: middleware-order - it is only read
        outermost: Any = self.user_middleware[0].cls
        while not takes_telemetry() and not isinstance(layer, outermost):
            layer = layer.app
        return cast(ASGIApp, layer)


def takes_telemetry() -> bool:
    """Say whether anybody takes what the framework tells of its requests."""
    return find_spec("opentelemetry.sdk") is not None


def create_app(settings: Settings) -> FastAPI:
    """Build the application; its resources open when it starts."""
    configure_logging(settings.log_level)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        try:
            async with open_state(settings) as state:
                yield state
        finally:
            OUTPUT.drain()

    app = Service(
        title={{ project_name | py_string }},
        lifespan=lifespan,
        middleware=middleware(settings),
        exception_handlers={
            Problem: handle_problem,
            HTTPException: handle_http_exception,
            RequestValidationError: handle_validation_error,
            DBAPIError: handle_database_error,
            StaleDataError: handle_stale_data,
            PoolTimeoutError: handle_pool_timeout,
        },
        responses=PROBLEM_RESPONSES,
        telemetry=None if takes_telemetry() else NO_TELEMETRY,
    )
    # {% if health_checks %}
    # Routes are tried in their order, and few requests are health checks.
    for router in sorted(ROUTERS, key=lambda router: router is health):
        register(app, router)
    # The framework has put its documentation first.
    # {% else %}
    for router in ROUTERS:
        register(app, router)
    # Routes are tried in their order, and the framework has put its documentation first.
    # {% endif %}
    app.router.routes.sort(key=lambda route: not isinstance(route, APIRoute))
    return app


def middleware(settings: Settings) -> list[Middleware]:
    """Return the middleware, outermost first."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Location", REQUEST_ID, RESPONSE_TIME],
    )
    return [
        *([cors] if settings.cors_origins else []),
        Middleware(
            RequestMiddleware, seconds=settings.request_timeout, max_body_bytes=MAX_BODY_BYTES
        ),
    ]


def register(app: FastAPI, router: APIRouter) -> None:
    """Add the routes of a router to the application itself.

    ``include_router`` keeps the router as a level of its own, which is matched anew for every
    request and costs more than most queries.
    """
    for route in router.routes:
        if not isinstance(route, APIRoute):
            message = f"{route} is not a path operation"
            raise TypeError(message)
        app.router.add_api_route(
            route.path,
            route.endpoint,
            methods=list(route.methods or ()),
            name=route.name,
            operation_id=route.name,
            tags=route.tags,
            dependencies=route.dependencies,
            summary=route.summary,
            description=route.description,
            deprecated=route.deprecated,
            include_in_schema=route.include_in_schema,
            status_code=route.status_code,
            response_model=route.response_model,
            response_model_include=route.response_model_include,
            response_model_exclude=route.response_model_exclude,
            response_model_by_alias=route.response_model_by_alias,
            response_model_exclude_unset=route.response_model_exclude_unset,
            response_model_exclude_defaults=route.response_model_exclude_defaults,
            response_model_exclude_none=route.response_model_exclude_none,
            response_description=route.response_description,
            responses=route.responses,
            # {% if orjson %}
            response_class=route.response_class
            if route.response_model or isinstance(route.response_class, type)
            else OrjsonResponse,
            # {% else %}
            response_class=route.response_class,
            # {% endif %}
            callbacks=route.callbacks,
            openapi_extra=route.openapi_extra,
            strict_content_type=route.strict_content_type,
            form_limits=route.form_limits,
            max_body_size=route.max_body_size,
            route_class_override=Route,
        )


def __getattr__(name: str) -> FastAPI:
    # `app` is made when a server asks for it, so that importing this module needs no settings.
    if name == "app":
        return create_app(load_settings())
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
