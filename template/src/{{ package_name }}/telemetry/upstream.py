"""Metrics of the client of another service."""

import time
from collections.abc import Mapping

# {% if telemetry == "otlp" %}
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

# {% endif %}
from ..upstream.client import MAX_CONNECTIONS, UpstreamClient
from ..upstream.reply import FetchError, Reply
from . import measures
# {% if telemetry == "otlp" %}

tracer = trace.get_tracer(__name__)
# {% endif %}


class MeasuredClient(UpstreamClient):
    # {% if telemetry == "otlp" %}
    """A client that tells what became of each request, and passes the trace on."""
    # {% else %}
    """A client that tells what became of each request."""
    # {% endif %}

    _active = 0

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request as the client does, and measure it."""
        start = time.perf_counter()
        status: int | None = None
        failure = ""
        self._active += 1
        # {% if telemetry == "otlp" %}
        carrier = dict(headers or {})
        attributes = {"http.request.method": method, "url.path": path}
        with tracer.start_as_current_span(
            method,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            propagate.inject(carrier)
            try:
                reply = await super().request(
                    method, path, params=params, json=json, headers=carrier
                )
                status = reply.status
                span.set_attribute("http.response.status_code", status)
            except FetchError as error:
                failure = error.failure.value
                span.set_attribute("error.type", failure)
                span.set_status(StatusCode.ERROR)
                raise
            else:
                return reply
            finally:
                self._measure(status, failure, time.perf_counter() - start)
        # {% else %}
        try:
            reply = await super().request(method, path, params=params, json=json, headers=headers)
            status = reply.status
        except FetchError as error:
            failure = error.failure.value
            raise
        else:
            return reply
        finally:
            self._measure(status, failure, time.perf_counter() - start)
        # {% endif %}

    def _measure(self, status: int | None, failure: str, seconds: float) -> None:
        self._active -= 1
        if status or failure:  # or nothing was sent
            measures.upstream_duration(status or "", failure)(seconds)

    def sample(self) -> None:
        """Set the gauges."""
        measures.upstream_active()(self._active)
        measures.upstream_max()(MAX_CONNECTIONS)
