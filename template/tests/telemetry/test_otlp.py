import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from {{ package_name }}.database.engine import create_engine
from {{ package_name }}.settings import Settings
from {{ package_name }}.telemetry import otlp, spans
# {% if http_client != "none" %}
from {{ package_name }}.telemetry.upstream import MeasuredClient
from {{ package_name }}.upstream.client import UpstreamClient
from {{ package_name }}.upstream.reply import Failure, FetchError, Reply
# {% endif %}

from tests.conftest import MakeClient

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def _providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is made here stays out of the process, which takes it once."""
    monkeypatch.setattr(trace, "set_tracer_provider", lambda _: None)
    monkeypatch.setattr(metrics, "set_meter_provider", lambda _: None)
    otlp.providers.cache_clear()
    yield
    otlp.providers.cache_clear()


@contextmanager
def collector() -> Iterator[tuple[str, list[str]]]:
    """Take what is sent, and note the paths that it is sent to."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()


def measure() -> None:
    tracer_provider, meter_provider = otlp.providers()
    assert isinstance(tracer_provider, TracerProvider)
    assert isinstance(meter_provider, metrics.MeterProvider)
    tracer_provider.get_tracer("test").start_span("a span").end()
    meter_provider.get_meter("test").create_counter("a_counter").add(1)


async def test_what_is_left_is_sent_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (url, paths):
        monkeypatch.setenv(ENDPOINT, url)
        async with otlp.exported():
            measure()

    assert sorted(paths) == ["/v1/metrics", "/v1/traces"]


async def test_a_collector_that_hangs_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with otlp.exported():
            measure()
            start = time.monotonic()

    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("exporters", "sent"), [("", True), ("console,otlp", True), ("none", False)]
)
def test_the_environment_may_name_what_sends(
    monkeypatch: pytest.MonkeyPatch, exporters: str, *, sent: bool
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://collector.test")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", exporters)

    assert otlp.is_sent("TRACES") is sent


async def test_nothing_is_sent_without_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)

    async with otlp.exported():
        assert otlp.providers() == []


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What takes the spans of statements."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "tracer", provider.get_tracer("test"))
    return exporter


@pytest.mark.parametrize("endpoint", ["", "http://collector.test"])
async def test_statements_are_spans_without_values(
    settings: Settings,
    exporter: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
) -> None:
    monkeypatch.setenv(ENDPOINT, endpoint)
    engine = create_engine(settings.database_url, settings)
    spans.trace_statements(engine)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT :value AS secret"), {"value": "hunter2"})
        with pytest.raises(DBAPIError):
            await connection.execute(text("SELECT nothing FROM nowhere"))
    await engine.dispose()

    found = exporter.get_finished_spans()
    if not endpoint:
        assert found == ()
        return
    good, bad = [span for span in found if span.name == "SELECT"][-2:]
    assert (good.status.is_ok, bad.status.is_ok) == (True, False)
    assert good.attributes is not None
    assert str(good.attributes["db.query.text"]).endswith("AS secret")
    assert "hunter2" not in f"{good.attributes}{bad.attributes}"


async def test_the_lines_of_a_request_have_the_ids_of_its_trace(
    make_client: MakeClient, capfd: pytest.CaptureFixture[str]
) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    async with make_client() as client:
        with tracer.start_as_current_span("request") as span:
            await client.get("/gizmos")

    context = span.get_span_context()
    output = capfd.readouterr().out
    assert trace.format_trace_id(context.trace_id) in output
    assert trace.format_span_id(context.span_id) in output
# {% if http_client != "none" %}


async def test_the_trace_goes_on_in_another_service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, str]] = []

    async def request(*_: object, headers: dict[str, str], **__: object) -> Reply:
        sent.append(headers)
        raise FetchError(Failure.TIMEOUT)

    monkeypatch.setattr(UpstreamClient, "request", request)
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    async with MeasuredClient.open(settings) as client:
        with tracer.start_as_current_span("request") as span, pytest.raises(FetchError):
            await client.request("GET", "/path", headers={"X-Own": "1"})

    (headers,) = sent
    assert headers["X-Own"] == "1"
    assert trace.format_trace_id(span.get_span_context().trace_id) in headers["traceparent"]
# {% endif %}
