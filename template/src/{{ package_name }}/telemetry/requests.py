"""Metrics of requests."""

import time
from http import HTTPMethod, HTTPStatus
# {% if telemetry == "prometheus" %}
from importlib.util import find_spec
# {% endif %}

from fastapi.telemetry import TelemetryConfig
# {% if telemetry == "otlp" %}
from opentelemetry import trace
# {% endif %}
from starlette.types import ASGIApp, Message, Receive, Scope, Send
# {% if telemetry == "otlp" %}
from structlog.contextvars import bind_contextvars
# {% endif %}

from ..web.middleware import route_of
from .measures import deadlines_exceeded, request_duration
# {% if telemetry == "prometheus" %}
from .prometheus import Measure
# {% else %}
from .otlp import Measure
# {% endif %}

METHODS = frozenset(HTTPMethod)

# {% if telemetry == "prometheus" %}
# Without an SDK nobody takes what FastAPI tells of each request.
FASTAPI: TelemetryConfig | None = (
    None if find_spec("opentelemetry.sdk") else {"tracing": False, "metrics": False, "logs": False}
)
"""What FastAPI itself tells OpenTelemetry."""
# {% else %}
FASTAPI: TelemetryConfig = {"metrics": False, "logs": False, "auto_configure": False}
"""What FastAPI itself tells: spans. An exception is in the log, without the values in it."""
# {% endif %}


class RequestMeasureMiddleware:
    """Measures how long each request takes, until its end, by route, method and status."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._measures: dict[tuple[str, str, int], Measure] = {}
        self._deadlines_exceeded = deadlines_exceeded()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0
        # {% if telemetry == "otlp" %}
        span = trace.get_current_span()
        if (context := span.get_span_context()).is_valid:
            bind_contextvars(
                trace_id=trace.format_trace_id(context.trace_id),
                span_id=trace.format_span_id(context.span_id),
            )
        # {% endif %}

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        finally:
            route = route_of(scope)
            self._measure(scope, route, status, time.perf_counter() - start)
            # {% if telemetry == "otlp" and fast_paths %}
            span.update_name(f"{scope['method']} {route}".rstrip())
            span.set_attribute("http.route", route)
            # {% endif %}

    def _measure(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        # An exception without a handler is answered outside of all middleware.
        key = (scope["method"], route, status or HTTPStatus.INTERNAL_SERVER_ERROR)
        measure = self._measures.get(key)
        if measure is None:
            method, *others = key
            if method in METHODS:
                measure = self._measures[key] = request_duration(*key)
            else:
                measure = request_duration("_OTHER", *others)
        measure(seconds)
        if status == HTTPStatus.GATEWAY_TIMEOUT:
            deadlines = scope["state"].get("deadlines", ())
            if any(deadline.expired() for deadline in deadlines):
                self._deadlines_exceeded(1)
