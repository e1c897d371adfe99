# {% if telemetry == "otlp" %}
import pytest
# {% endif %}
from fastapi import APIRouter
# {% if telemetry == "otlp" %}
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
# {% else %}
from prometheus_client import REGISTRY
# {% endif %}

from tests.conftest import MakeClient

inner = APIRouter(prefix="/inner")
outer = APIRouter()


@inner.get("/{number}")
async def get_number(number: int) -> int:
    return number


outer.include_router(inner, prefix="/outer/{tenant}")


# {% if telemetry == "otlp" %}
READER = InMemoryMetricReader()


@pytest.fixture(scope="module", autouse=True)
def _provider() -> None:
    metrics.set_meter_provider(MeterProvider([READER], shutdown_on_exit=False))


def count(method: str, route: str, status: int) -> int:
    expected = {"http.request.method": method, "http.response.status_code": status}
    if route:
        expected["http.route"] = route
    data = READER.get_metrics_data()
    points = [
        point
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "http.server.request.duration"
        for point in metric.data.data_points
        if isinstance(point, HistogramDataPoint) and point.attributes == expected
    ]
    return sum(point.count for point in points)
# {% else %}
def count(method: str, route: str, status: int) -> float:
    labels = {
        "http_request_method": method,
        "http_route": route,
        "http_response_status_code": str(status),
    }
    return REGISTRY.get_sample_value("http_server_request_duration_seconds_count", labels) or 0
# {% endif %}


async def test_requests_are_measured_by_the_templates_of_their_paths(
    make_client: MakeClient,
) -> None:
    expected = {
        ("GET", "/outer/{tenant}/inner/{number}", 200): 2,
        ("GET", "/outer/{tenant}/inner/{number}", 422): 1,
        ("GET", "", 404): 2,
        ("_OTHER", "/outer/{tenant}/inner/{number}", 405): 1,
    }
    before = {key: count(*key) for key in expected}

    async with make_client(outer) as client:
        for path in ("/outer/1/inner/1", "/outer/a/inner/2", "/outer/a/inner/x", "/no/1", "/no/2"):
            await client.get(path)
        await client.request("BREW", "/outer/a/inner/1")

    assert {key: count(*key) - before[key] for key in expected} == expected
