"""The application: its middleware, error handlers and routers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
# {% if telemetry == "none" %}
from importlib.util import find_spec
# {% endif %}

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
# {% if telemetry == "none" %}
from fastapi.telemetry import TelemetryConfig
# {% endif %}
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException  # noqa: TID251 - the framework raises it
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

# {% if auth == "oidc" %}
from .auth import endpoints as auth
# {% endif %}
from .database.errors import handle_database_error, handle_pool_timeout, handle_stale_data
# {% if example and fast_paths and auth == "none" %}
from .fast.routing import FastPathMiddleware
# {% endif %}
# {% if health_checks %}
from .health import endpoints as health
# {% endif %}
from .lifespan import State, open_state
# {% if example %}
from .orders import endpoints as orders
# {% endif %}
from .server.logs import configure_logging
from .settings import Settings, load_settings
# {% if telemetry != "none" %}
from .telemetry import requests as telemetry
# {% endif %}
# {% if http_client != "none" %}
from .upstream import endpoints as upstream
# {% endif %}
# {% if example %}
from .users import endpoints as users
# {% if fast_paths and auth == "none" %}
from .users.fast import fast_users
# {% endif %}
# {% endif %}
from .web import middleware, problems
# {% if database_driver in ("psycopg", "asyncmy") %}
from .web.deadline import CLEAN_UP_SECONDS, DeadlineMiddleware
# {% else %}
from .web.deadline import DeadlineMiddleware
# {% endif %}

# {% if telemetry == "none" %}
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}

# {% endif %}
MAX_BODY_BYTES = 1024 * 1024
"""The largest request body, unless a route sets a ``max_body_size`` of its own."""


def create_app(settings: Settings) -> FastAPI:
    """Build the application; its lifespan opens the resources."""
    configure_logging(settings.log_level)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with open_state(settings) as state:
            yield state

    # {% if example or health_checks or http_client != "none" or auth == "oidc" %}
    app = FastAPI(
    # {% else %}
    return FastAPI(
    # {% endif %}
        title={{ project_name | py_string }},
        root_path=settings.root_path,
        lifespan=lifespan,
        middleware=list_middleware(settings),
        exception_handlers={
            problems.Problem: problems.handle_problem,
            HTTPException: problems.handle_http_exception,
            TimeoutError: problems.handle_timeout,
            RequestValidationError: problems.handle_validation_error,
            DBAPIError: handle_database_error,
            StaleDataError: handle_stale_data,
            PoolTimeoutError: handle_pool_timeout,
            Exception: middleware.handle_unexpected_error,
        },
        responses=problems.PROBLEM_RESPONSES,
        # {% if telemetry == "none" %}
        # Without an SDK nobody takes what FastAPI tells of each request.
        telemetry=None if find_spec("opentelemetry.sdk") else NO_TELEMETRY,
        # {% else %}
        telemetry=telemetry.FASTAPI,
        # {% endif %}
    )
    # {% if auth == "oidc" %}
    app.include_router(auth.router, max_body_size=MAX_BODY_BYTES)
    # {% endif %}
    # {% if example %}
    app.include_router(users.router, max_body_size=MAX_BODY_BYTES)
    app.include_router(orders.router, max_body_size=MAX_BODY_BYTES)
    # {% endif %}
    # {% if http_client != "none" %}
    app.include_router(upstream.router, max_body_size=MAX_BODY_BYTES)
    # {% endif %}
    # {% if health_checks %}
    app.include_router(health.router, max_body_size=MAX_BODY_BYTES)
    # {% endif %}
    # {% if example or health_checks or http_client != "none" or auth == "oidc" %}
    return app
    # {% endif %}


def list_middleware(settings: Settings) -> list[Middleware]:
    """Return the middleware, outermost first."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_origin_regex=settings.cors_origin_regex and settings.cors_origin_regex.pattern,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Location", middleware.REQUEST_ID, middleware.RESPONSE_TIME],
    )
    return [
        *([cors] if settings.cors_origins or settings.cors_origin_regex else []),
        Middleware(middleware.RequestIdMiddleware),
        Middleware(middleware.ResponseTimeMiddleware),
        # {% if telemetry != "none" %}
        Middleware(telemetry.RequestMeasureMiddleware),
        # {% endif %}
        Middleware(middleware.RequestLogMiddleware),
        # {% if database_driver in ("psycopg", "asyncmy") %}
        # The driver waits for a cancelled statement to end, for ever where the database hangs,
        # unless it is cancelled again.
        Middleware(DeadlineMiddleware, seconds=settings.request_timeout + CLEAN_UP_SECONDS),
        # {% endif %}
        Middleware(DeadlineMiddleware, seconds=settings.request_timeout),
        # {% if example and fast_paths and auth == "none" %}
        Middleware(FastPathMiddleware, fast_users),
        # {% endif %}
        Middleware(middleware.ProblemMiddleware),
    ]


def __getattr__(name: str) -> FastAPI:
    # `app` is made when a server asks for it, so that importing this module needs no settings.
    if name == "app":
        try:
            return create_app(load_settings())
        except AttributeError as error:
            # Python would think that `app` itself is missing.
            message = "the application cannot be built"
            raise RuntimeError(message) from error
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
