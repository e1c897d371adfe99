"""Metrics and traces of OpenTelemetry, sent by OTLP over HTTP.

The environment variables ``OTEL_...`` configure it; without an endpoint, nothing is sent.
"""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

Measure = Callable[[float], None]
Labelled = Callable[..., Measure]
"""Takes the values of the attributes; what it returns is made once and called often."""

LAST_SECONDS = 0.8
"""What the last of it may take to be sent, when the process ends."""

meter = metrics.get_meter(__name__)


def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Labelled:
    """Make a histogram of seconds."""
    metric = meter.create_histogram(name, "s", text, explicit_bucket_boundaries_advisory=buckets)
    return lambda *values: partial(metric.record, attributes=_attributes(labels, values))


def counter(name: str, text: str, *labels: str) -> Labelled:
    """Make a counter."""
    metric = meter.create_counter(name, description=text)
    return lambda *values: partial(metric.add, attributes=_attributes(labels, values))


def gauge(name: str, text: str, *labels: str) -> Labelled:
    """Make a gauge."""
    metric = meter.create_gauge(name, description=text)
    return lambda *values: partial(metric.set, attributes=_attributes(labels, values))


def _attributes(labels: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return {label: value for label, value in zip(labels, values, strict=True) if value}


def is_sent(signal: str) -> bool:
    """Say whether the environment has a place for ``TRACES`` or ``METRICS``."""
    names = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return (
        any(os.environ.get(name) for name in names)
        and "otlp" in (os.environ.get(f"OTEL_{signal}_EXPORTER") or "otlp").split(",")
        and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
    )


@cache
def providers() -> list[TracerProvider | MeterProvider]:
    """Make what sends, once in a process, since OpenTelemetry takes no other afterwards."""
    made: list[TracerProvider | MeterProvider] = []
    named = Resource({SERVICE_NAME: __package__.partition(".")[0]})
    resource = Resource.create().merge(named).merge(OTELResourceDetector().detect())
    # They would be waited for at the end of the process.
    if is_sent("TRACES"):
        tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(tracer_provider)
        made.append(tracer_provider)
    if is_sent("METRICS"):
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        meter_provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        metrics.set_meter_provider(meter_provider)
        made.append(meter_provider)
    return made


@asynccontextmanager
async def exported() -> AsyncIterator[None]:
    """Send traces and metrics from threads, which no request waits for."""
    made = await asyncio.to_thread(providers)  # threads look where the process runs
    try:
        yield
    finally:
        # If the collector does not answer, its threads are not waited for.
        last = [threading.Thread(target=each.force_flush, daemon=True) for each in made]
        for thread in last:
            thread.start()
        await asyncio.to_thread(_join, last)


def _join(threads: Sequence[threading.Thread]) -> None:
    end = time.monotonic() + LAST_SECONDS
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
