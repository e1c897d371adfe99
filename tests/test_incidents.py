"""Four incidents are told apart by the metrics and the log of a service, and by nothing else.

`docs/operations.md` of a service has the same table.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ServiceWith
from tests.helpers.metrics import Metrics, Window, await_metrics, paced, watched
from tests.helpers.process import Deployment, Process, deployed, eventually, free_port
from tests.helpers.service import Service
from tests.helpers.staged import add_routes, other_service

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("incidents")]

SECONDS = 6

FETCH = {"paths": ["/400"]}

INCIDENTS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "pool too small": ({"database_pool_size": 2}, (60, "GET", "/staged/statement/50")),
    "slow statement": ({}, (5, "GET", "/staged/statement/900")),
    "slow upstream": ({}, (5, "POST", "/upstream/fetch", FETCH)),
    "blocked loop": ({}, (1, "GET", "/staged/block/300")),
}
"""The settings of each, and the requests that cause it: how many a second, and which."""

SIGNS: dict[str, Callable[[Window], bool]] = {
    "pool too small": lambda w: w.waited() > 0.05,
    "slow statement": lambda w: w.held() > 0.1,
    "slow upstream": lambda w: w.mean("http_client_request_duration_seconds") > 0.1,
    "blocked loop": lambda w: w.above("0.1", "event_loop_delay_seconds") > 0.01,
}
"""By what metric each is known."""

WORDS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "pool too small": lambda line: (
        line["event"] == "request" and line.get("pool_wait_milliseconds", 0) > 100
    ),
    "slow statement": lambda line: (
        str(line.get("route")).startswith("/staged/statement") and line["milliseconds"] > 850
    ),
    "slow upstream": lambda line: (
        line.get("route") == "/upstream/fetch" and line["milliseconds"] > 350
    ),
    "blocked loop": lambda line: (
        line["event"] == "event loop blocked" and "staged.py" in line["stack"]
    ),
}
"""By what line of the log each is known."""


LIMITS = {
    "db_client_connection_wait_time_seconds_bucket": {0.1, 1.0},
    "event_loop_delay_seconds_bucket": {0.1},
}
"""Between two ends of buckets, a quantile is a guess."""


@pytest.fixture(scope="module")
def service(service_with: ServiceWith) -> Service:
    service = service_with()
    add_routes(service.folder)
    return service


@pytest.fixture(scope="module")
def deployment(service: Service, pytestconfig: pytest.Config) -> Iterator[Deployment]:
    environment = service.environment(pytestconfig.getoption("service_python"))
    with deployed(service, environment) as deployment:
        yield deployment


@contextmanager
def serving(deployment: Deployment, output: Path, **settings: Any) -> Iterator[tuple[Process, int]]:
    """Run a process with metrics; yield it and their port."""
    port = free_port()
    with deployment.started(
        output=output, metrics_port=port, log_level="INFO", **settings
    ) as process:
        eventually(process.ready)
        await_metrics(port)
        yield process, port


@pytest.mark.parametrize("incident", INCIDENTS)
def test_an_incident_is_known_by_one_metric_and_by_the_log(
    deployment: Deployment, tmp_path: Path, incident: str
) -> None:
    settings, requests = INCIDENTS[incident]
    output = tmp_path / "log"
    with ExitStack() as stack:
        url = stack.enter_context(other_service())
        process, port = stack.enter_context(
            serving(deployment, output, upstream_url=url, **settings)
        )
        # What goes on all the time.
        stack.enter_context(paced(process, 5, "GET", "/users"))
        stack.enter_context(paced(process, 2, "POST", "/upstream/fetch", {"paths": ["/1"]}))
        if incident == "slow upstream":
            stack.enter_context(paced(process, 1, "GET", "/staged/statement/1"))
        process.request("GET", "/users")
        stack.enter_context(paced(process, *requests))
        window = watched(port, SECONDS)

    lines = [json.loads(line) for line in output.read_text("utf-8").splitlines() if line[:1] == "{"]
    assert {name for name, sign in SIGNS.items() if sign(window)} == {incident}
    assert {name for name, word in WORDS.items() if any(map(word, lines))} == {incident}


def rules_of(service: Service) -> str:
    return service.text("deploy/telemetry/rules.yml")


def questions_of(service: Service) -> list[str]:
    """Return what the panels ask."""
    panels = json.loads(service.text("deploy/telemetry/dashboard.json"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_all_that_rules_and_panels_ask_for_is_there(
    service: Service, deployment: Deployment, tmp_path: Path
) -> None:
    """With the labels that they ask by, and buckets that end at the limits of the alerts."""
    with ExitStack() as stack:
        url = stack.enter_context(other_service())
        process, port = stack.enter_context(serving(deployment, tmp_path / "log", upstream_url=url))
        assert process.request("GET", "/users")[0] == 200
        assert process.request("POST", "/upstream/fetch", {"paths": ["/1"]})[0] == 200
        metrics = Metrics(port)

    text = rules_of(service) + "".join(questions_of(service))
    asked = set(re.findall(r"\b([\w:]+)\{job=", text)) - set(re.findall(r"record: (\S+)", text))
    labels = {name for names in re.findall(r"by \(([^)]*)\)", text) for name in names.split(", ")}
    assert len(asked) > 10
    assert asked <= {sample.name for sample in metrics.samples}
    assert labels - {"instance"} <= {label for sample in metrics.samples for label in sample.labels}
    for name, limits in LIMITS.items():
        buckets = {sample.labels["le"] for sample in metrics.samples if sample.name == name}
        assert limits <= {float(bucket) for bucket in buckets}, name
