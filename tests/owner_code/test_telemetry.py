"""Those who watch an application see an exception that nobody handles, once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import sentry_sdk
from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC2701 - logs are still a beta there
from opentelemetry.sdk._logs.export import (  # noqa: PLC2701
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from order_desk import main
from order_desk.settings import Settings

from tests.conftest import client_of, make_app, running

router = APIRouter()


@router.get("/broken/{number}")
async def get_broken(number: int) -> None:
    message = f"nobody handles it: {number}"
    raise RuntimeError(message)


@router.get("/fine")
async def get_fine() -> str:
    return "fine"


@asynccontextmanager
async def client_for(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(app) as service, client_of(service) as client:
        yield client


class Recording(Transport):
    """Keeps what would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []
        self.transactions: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        if event := envelope.get_event():
            self.events.append(event)
        if transaction := envelope.get_transaction_event():
            self.transactions.append(transaction)


@pytest.fixture
def sentry() -> Iterator[Recording]:
    transport = Recording()
    sentry_sdk.init(dsn="http://key@sentry.test/1", transport=transport, traces_sample_rate=1)
    yield transport
    sentry_sdk.init()


async def test_sentry_gets_one_event(settings: Settings, sentry: Recording) -> None:
    async with client_for(make_app(settings, router)) as client:
        response = await client.get("/broken/7")
        await client.get("/fine")
        await client.get("/gizmos/no-uuid")

    assert response.status_code == 500
    (event,) = sentry.events
    (exception,) = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("RuntimeError", "nobody handles it: 7")
    assert exception["mechanism"]["handled"] is False
    assert event["transaction"] == "/broken/{number}"
    assert "/broken/{number}" in [each["transaction"] for each in sentry.transactions]


def exceptions_of(spans: Iterator[ReadableSpan] | tuple[ReadableSpan, ...]) -> list[Any]:
    return [
        event.attributes["exception.type"]
        for span in spans
        for event in span.events
        if event.name == "exception" and event.attributes
    ]


class Watching:
    """Providers of OpenTelemetry that keep what they are given."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # it has no types
        self.logger_provider = LoggerProvider()
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self.metrics = InMemoryMetricReader()
        self.meter_provider = MeterProvider(metric_readers=[self.metrics])

    def error_types(self) -> set[Any]:
        data = self.metrics.get_metrics_data()
        assert data is not None
        return {
            point.attributes.get("error.type")
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if point.attributes
        }


@pytest.fixture
def watching() -> Iterator[Watching]:
    watching = Watching()
    yield watching
    watching.tracer_provider.shutdown()
    watching.meter_provider.shutdown()
    watching.logger_provider.shutdown()


async def test_the_instrumentation_of_opentelemetry_sees_it(
    settings: Settings, watching: Watching
) -> None:
    app = make_app(settings, router)
    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=watching.tracer_provider, meter_provider=watching.meter_provider
    )
    async with client_for(app) as client:
        response = await client.get("/broken/7")

    assert response.status_code == 500
    spans = watching.spans.get_finished_spans()
    assert set(exceptions_of(spans)) == {"RuntimeError"}
    (server,) = [span for span in spans if span.kind.name == "SERVER"]
    assert server.name == "GET /broken/{number}"
    assert not server.status.is_ok


async def test_the_telemetry_of_fastapi_sees_it(settings: Settings, watching: Watching) -> None:
    providers: TelemetryConfig = {
        "tracer_provider": watching.tracer_provider,
        "meter_provider": watching.meter_provider,
        "logger_provider": watching.logger_provider,
    }

    def make(**options: Any) -> FastAPI:
        return FastAPI(**{**options, "telemetry": providers})

    # The owner has edited create_app().
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "FastAPI", make)
        app = make_app(settings, router)
    async with client_for(app) as client:
        response = await client.get("/broken/7")

    assert response.status_code == 500
    spans = watching.spans.get_finished_spans()
    (server,) = [span for span in spans if span.kind.name == "SERVER"]
    assert server.name == "GET /broken/{number}"
    assert not server.status.is_ok
    assert server.attributes is not None
    assert server.attributes["error.type"] == "RuntimeError"
    assert "RuntimeError" in watching.error_types()
    (record,) = [data.log_record for data in watching.logs.get_finished_logs()]
    assert record.event_name == "http.server.request.exception"
    assert record.attributes is not None
    assert record.attributes["exception.type"] == "RuntimeError"
