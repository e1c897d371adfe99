"""What a service tells of itself as a whole: metrics of all its workers, traces to a collector."""

import os
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.conftest import ServiceWith
from tests.helpers.process import Deployment, Process, deployed, eventually, free_port

RANDOM_PATHS = 10_000
MOST_SERIES = 400
"""Of a service with the example; each route, method and status that occurs has fourteen."""

LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("telemetry")]


@pytest.fixture(scope="module")
def metered(service_with: ServiceWith, pytestconfig: pytest.Config) -> Iterator[Deployment]:
    service = service_with(telemetry="prometheus")
    environment = service.environment(pytestconfig.getoption("service_python"))
    with deployed(service, environment) as provided:
        yield provided


@pytest.fixture(scope="module")
def traced(service_with: ServiceWith, pytestconfig: pytest.Config) -> Iterator[Deployment]:
    service = service_with(telemetry="otlp")
    environment = service.environment(pytestconfig.getoption("service_python"))
    with deployed(service, environment) as provided:
        yield provided


@dataclass
class Metrics:
    """What a service answers at its port of metrics."""

    port: int

    def read(self) -> dict[str, float]:
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found = [LINE.fullmatch(line) for line in lines if not line.startswith("#")]
        return {f"{line[1]} {line[2] or ''}".strip(): float(line[3]) for line in found if line}

    def sum(self, name: str, *labels: str) -> float:
        return sum(
            value
            for series, value in self.read().items()
            if series.partition(" ")[0] == name and all(label in series for label in labels)
        )


def workers_of(process: Process) -> set[int]:
    """Return the processes that serve, of all that this one has started."""
    folder = Path(f"/proc/{process.popen.pid}/task")
    children = {int(pid) for task in folder.glob("*/children") for pid in task.read_text().split()}
    return {pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def test_the_metrics_are_those_of_all_workers_and_of_no_dead_one(metered: Deployment) -> None:
    metrics = Metrics(free_port())
    with metered.started(workers=2, metrics_port=metrics.port, database_pool_size=3) as process:
        eventually(process.ready)
        eventually(lambda: metrics.sum("db_client_connection_max", 'name="read"') == 6)
        for _ in range(100):
            assert process.request("GET", "/users")[0] == 200
        requests = metrics.sum("http_server_request_duration_seconds_count", '"/users"', '"200"')

        before = workers_of(process)
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda: len(workers_of(process) - before) == 1)
        eventually(lambda: metrics.sum("db_client_connection_max", 'name="read"') == 6)
        after = metrics.sum("http_server_request_duration_seconds_count", '"/users"', '"200"')

    assert requests == after == 100


def test_the_metrics_are_answered_while_no_worker_does_anything(metered: Deployment) -> None:
    metrics = Metrics(free_port())
    with metered.started(workers=2, metrics_port=metrics.port) as process:
        eventually(process.ready)
        workers = workers_of(process)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        series = metrics.read()
        seconds = time.monotonic() - start
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        public = process.request("GET", "/metrics")[0]

    assert series
    assert seconds < 1
    assert public == 404


@pytest.mark.parametrize("workers", [1, 2])
def test_random_requests_make_no_series(metered: Deployment, workers: int) -> None:
    metrics = Metrics(free_port())
    randomness = random.Random(1)  # noqa: S311 - no secret
    with metered.started(workers=workers, metrics_port=metrics.port) as process:
        eventually(process.ready)
        with closing(process.connection()) as connection:
            for _ in range(RANDOM_PATHS):
                name = randomness.randbytes(8).hex()
                path = randomness.choice(["/{}", "/users/{}", "/users/{}/orders", "/{}/users"])
                method = randomness.choice(["GET", "GET", "DELETE", "MKCOL", "PURGE"])
                connection.request(method, path.format(name))
                connection.getresponse().read()
        series = metrics.read()

    requests = {
        key: value for key, value in series.items() if key.startswith("http_server_request")
    }
    counted = [value for key, value in requests.items() if "_count " in key]
    assert sum(counted) >= RANDOM_PATHS
    assert len(series) < MOST_SERIES
    assert not [key for key in series if re.search(r"[0-9a-f]{16}", key, re.IGNORECASE)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_taken_port_stops_the_start_with_one_line(
    metered: Deployment, tmp_path: Path, workers: int
) -> None:
    output = tmp_path / "output"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with metered.started(output=output, workers=workers, metrics_port=port) as process:
            status = process.popen.wait(60)

    assert status == 1
    (line,) = output.read_text().splitlines()
    assert f"check METRICS_HOST and METRICS_PORT: 127.0.0.1 {port}: " in line


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_left_of_the_metrics(metered: Deployment, tmp_path: Path, workers: int) -> None:
    metrics = Metrics(free_port())
    with metered.started(
        workers=workers, metrics_port=metrics.port, prometheus_multiproc_dir=tmp_path
    ) as process:
        eventually(process.ready)
        assert metrics.read()
        shared = list(tmp_path.iterdir())
        process.popen.terminate()
        status = process.popen.wait(60)

    assert status == 0
    assert len(shared) == workers - 1
    assert list(tmp_path.iterdir()) == []


@dataclass
class Collector:
    """Takes what is sent by OTLP."""

    bodies: dict[str, list[bytes]] = field(default_factory=dict)

    def got(self, path: str, *words: bytes) -> bool:
        body = b"".join(self.bodies.get(path, ()))
        return all(word in body for word in words)

    @contextmanager
    def running(self) -> Iterator[str]:
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bodies.setdefault(self.path, []).append(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


def test_traces_metrics_and_lines_tell_of_the_same_request(
    traced: Deployment, tmp_path: Path
) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {
        "traceparent": f"00-{trace_id}-b7ad6b7169203331-01",
        "Content-Type": "application/json",
    }
    collector, output = Collector(), tmp_path / "output"
    with (
        collector.running() as url,
        traced.started(output=output, otel_exporter_otlp_endpoint=url, log_level="INFO") as process,
    ):
        eventually(process.ready)
        with closing(process.connection()) as connection:
            body = '{"email": "secret@desk.test", "full_name": "Ann"}'
            connection.request("POST", "/users", body, headers)
            assert connection.getresponse().status == 201
        process.popen.terminate()
        assert process.popen.wait(60) == 0

    traced_id = bytes.fromhex(trace_id)
    assert collector.got("/v1/traces", traced_id, b"POST /users", b"INSERT INTO users")
    assert collector.got("/v1/metrics", b"http.server.request.duration", b"/users", b"order_desk")
    assert not collector.got("/v1/traces", b"secret@desk.test")
    (line,) = [line for line in output.read_text().splitlines() if '"/users"' in line]
    assert trace_id in line
    assert '"span_id"' in line


def test_a_collector_that_hangs_delays_neither_requests_nor_the_end(traced: Deployment) -> None:
    def slowest_and_end(url: str) -> tuple[float, float]:
        """Return the seconds of the slowest request, and of the end of the process."""
        with traced.started(otel_exporter_otlp_endpoint=url) as process:
            eventually(process.ready)
            slowest = 0.0
            with closing(process.connection()) as connection:
                for _ in range(1_500):
                    start = time.monotonic()
                    connection.request("GET", "/users")
                    connection.getresponse().read()
                    slowest = max(slowest, time.monotonic() - start)
            start = time.monotonic()
            process.popen.terminate()
            assert process.popen.wait(60) == 0
            return slowest, time.monotonic() - start

    def least(url: str) -> list[float]:
        """Return the least of two runs, since other work on the machine delays one, too."""
        return [
            min(seconds) for seconds in zip(*(slowest_and_end(url) for _ in range(2)), strict=True)
        ]

    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hanging = least(silent_url)
    gone, (_, without) = least(silent_url), slowest_and_end("")

    for slowest, end in (hanging, gone):
        assert slowest < 1
        assert end < without + 1
