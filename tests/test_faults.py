"""What a service promises when processes are killed, restarted, overrun and attacked."""

import http.client
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import socketserver
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import ServiceWith
from tests.helpers.load import Load
from tests.helpers.process import (
    Deployment,
    Process,
    deployed,
    eventually,
    free_port,
    server_of,
)
from tests.helpers.service import run

DRIVERS = ("asyncpg", "psycopg", "aiosqlite", "asyncmy")
KILLS = 20

# What holds the connections is the same with every driver, so that many are tried with one.
IDLE_CONNECTIONS = {"asyncpg": 10_000, "psycopg": 1_000, "aiosqlite": 1_000, "asyncmy": 1_000}
BYTES_PER_IDLE_CONNECTION = 16 * 1024

HTTP_CLIENTS = {"asyncpg": "httpx2", "psycopg": "aiohttp", "aiosqlite": "none", "asyncmy": "none"}

HEAD = (
    b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)

# These hold only for an API without cursors, whose paths have no fixed part beside a variable one.
# FastAPI names the methods of one route in Allow, also where a path has several.
UNSUITABLE_CHECKS = "positive_data_acceptance,unsupported_method,allow_header_conformance"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


@pytest.fixture(scope="module", params=DRIVERS)
def deployment(
    request: pytest.FixtureRequest, service_with: ServiceWith, pytestconfig: pytest.Config
) -> Iterator[Deployment]:
    """A service with each driver, and two of them with an HTTP client."""
    driver = request.param
    service = service_with(database_driver=driver, http_client=HTTP_CLIENTS[driver])
    environment = service.environment(pytestconfig.getoption("service_python"))
    with deployed(service, environment) as provided:
        yield provided


def stored_emails(process: Process) -> list[str]:
    emails: list[str] = []
    cursor = ""
    while True:
        status, page = process.request("GET", f"/users?limit=100{cursor}")
        assert status == 200
        emails += [user["email"] for user in page["items"]]
        if page["next_cursor"] is None:
            return emails
        cursor = f"&cursor={page['next_cursor']}"


def test_nothing_acknowledged_is_lost_when_processes_are_killed(deployment: Deployment) -> None:
    port = free_port()
    with ExitStack() as processes:
        process = processes.enter_context(deployment.started(port=port))
        eventually(process.ready)
        with Load.of(lambda: Process(process.popen, port)) as load:
            for _ in range(KILLS):
                load.goes_on()
                os.killpg(process.popen.pid, signal.SIGKILL)
                process.popen.wait()
                process = processes.enter_context(deployment.started(port=port))
            eventually(process.ready)
        stored = stored_emails(process)

    assert load.acknowledged <= set(stored) <= load.sent
    assert len(stored) == len(set(stored))


def test_a_rolling_restart_loses_no_request(deployment: Deployment) -> None:
    with ExitStack() as processes:
        serving = [processes.enter_context(deployment.started(drain_seconds=4)) for _ in range(2)]
        for process in serving:
            eventually(process.ready)
        turns = itertools.count()
        routed = list(serving)

        with Load.of(lambda: routed[next(turns) % len(routed)]) as load:
            for old in serving:
                load.goes_on()
                old.popen.send_signal(signal.SIGTERM)
                eventually(old.leaves)
                routed[:] = [process for process in routed if process is not old]
                assert old.popen.wait(30) == 0
                new = processes.enter_context(deployment.started(drain_seconds=4, port=old.port))
                eventually(new.ready)
                routed.append(new)

    assert load.failures == []
    assert len(load.acknowledged) > 40


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("numbers", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)])
def test_all_workers_stop_at_once(
    deployment: Deployment, numbers: tuple[signal.Signals, ...], workers: int
) -> None:
    if deployment.driver != "asyncpg":
        pytest.skip("the same with every driver")
    with deployment.started(workers=workers, drain_seconds=600) as process:
        eventually(process.ready)
        with socket.create_connection(("127.0.0.1", process.port)) as client:
            client.sendall(HEAD % 1000)
            for number in numbers:
                process.popen.send_signal(number)
                # Two that come together are one.
                eventually(process.leaves)
            exit_code = process.popen.wait(10)

    assert exit_code == 0


def test_a_client_that_leaves_does_not_take_a_connection_with_it(deployment: Deployment) -> None:
    with deployment.started(database_pool_size=2) as process:
        eventually(process.ready)
        for number in range(50):
            body = b'{"email": "gone%d@example.com", "full_name": "x"}' % number
            with socket.create_connection(("127.0.0.1", process.port)) as client:
                client.sendall(HEAD % len(body) + body)

        emails = stored_emails(process)
        # Those who have left may still have their places in the queue.
        stays = {"email": "stays@example.com", "full_name": "x"}
        eventually(lambda: process.request("POST", "/users", stays)[0] == 201)

    assert len(emails) == len(set(emails))


def test_a_body_that_trickles_ends_at_the_deadline(deployment: Deployment) -> None:
    with deployment.started(request_timeout=0.5) as process:
        eventually(process.ready)
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", process.port)) as client:
            client.sendall(HEAD % 1000)
            client.settimeout(0.1)
            received = b""
            while time.monotonic() - start < 5:
                try:
                    client.send(b" ")
                    data = client.recv(65536)
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
                if not data:
                    break
                received += data
        seconds = time.monotonic() - start

    assert received.startswith(b"HTTP/1.1 504 ")
    assert seconds < 3


def seconds_of_get(process: Process, path: str) -> float:
    start = time.monotonic()
    assert process.request("GET", path)[0] == 200
    return time.monotonic() - start


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_idle_connections_cost_little(deployment: Deployment) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(IDLE_CONNECTIONS[deployment.driver], hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with deployment.started() as process, ExitStack() as connections:
            eventually(process.ready)
            assert process.request("GET", "/users")[0] == 200
            before = process.resident_bytes()
            for _ in range(count):
                address = ("127.0.0.1", process.port)
                connections.enter_context(socket.create_connection(address, timeout=30))
            # The first waits until all of them are accepted.
            assert process.request("GET", "/users")[0] == 200
            times = [seconds_of_get(process, "/users") for _ in range(3)]
            grown = process.resident_bytes() - before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert min(times) < 1
    assert grown < count * BYTES_PER_IDLE_CONNECTION


def test_no_request_that_the_schema_allows_is_an_error_of_the_server(
    deployment: Deployment, tmp_path: Path
) -> None:
    # Where there is an upstream, nobody answers on its port.
    with deployment.started(upstream_url=f"http://127.0.0.1:{free_port()}") as process:
        eventually(process.ready)
        run(
            *(sys.executable, "-m", "schemathesis.cli", "run", "--no-color"),
            f"http://127.0.0.1:{process.port}/openapi.json",
            *("--max-examples", "10", "--generation-deterministic"),
            *("--phases", "examples,coverage,fuzzing"),
            *("--exclude-checks", UNSUITABLE_CHECKS),
            cwd=tmp_path,
        )


CONNECTIONS = 5
OVERRUN_CLIENTS = 200
OVERRUN_SECONDS = 3
HOLD_SECONDS = 0.25
POOL_TIMEOUT = 1.0
SLACK = 2.5
"""Seconds that an answer may be late, since all these clients are one process."""

HOLD = f"BEGIN PERFORM pg_sleep({HOLD_SECONDS}); RETURN NEW; END"
HELD_INSERTS = {
    "postgresql": (
        f"CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS '{HOLD}'",
        "CREATE TRIGGER hold BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION hold()",
        "DROP FUNCTION hold() CASCADE",
    ),
    "mysql": (
        f"CREATE TRIGGER hold BEFORE INSERT ON users FOR EACH ROW DO SLEEP({HOLD_SECONDS})",
        "DROP TRIGGER hold",
    ),
}


@contextmanager
def held_inserts(deployment: Deployment) -> Iterator[None]:
    """Let each insert take its time; with SQLite, which has no sleep, let none succeed."""
    if deployment.driver == "aiosqlite":
        path = urlsplit(deployment.url).path.removeprefix("/")
        with closing(sqlite3.connect(path, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            yield
        return
    *begin, end = HELD_INSERTS[deployment.url.partition("+")[0]]
    deployment.execute(*begin)
    yield
    deployment.execute(end)


@dataclass(frozen=True)
class Answer:
    """What came of a request to create a user."""

    status: int
    kind: str | None
    retry_after: str | None
    seconds: float


def insist(process: Process, number: int, until: float) -> list[Answer]:
    """Ask again and again, as late as the refusals want it, but not in step with others."""
    answers: list[Answer] = []
    with closing(process.connection()) as connection:
        while (start := time.monotonic()) < until:
            body = {"email": f"{random.getrandbits(64):x}@example.com", "full_name": "x"}
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/users", json.dumps(body), headers)
            response = connection.getresponse()
            kind = json.loads(response.read()).get("type")
            seconds = time.monotonic() - start
            retry_after = response.headers["Retry-After"]
            answers.append(Answer(response.status, kind, retry_after, seconds))
            if retry_after:
                time.sleep(int(retry_after) * (0.5 + number / OVERRUN_CLIENTS))
    return answers


def health_statuses(process: Process, until: float) -> set[int]:
    statuses: set[int] = set()
    while time.monotonic() < until:
        for probe in ("live", "ready"):
            statuses.add(process.request("GET", f"/health/{probe}")[0])
        time.sleep(0.1)
    return statuses


def test_too_many_clients_are_served_in_part_and_refused_in_time(deployment: Deployment) -> None:
    started = deployment.started(
        database_pool_size=CONNECTIONS,
        database_max_overflow=0,
        database_pool_timeout=POOL_TIMEOUT,
        lock_timeout=30,
    )
    with (
        started as process,
        ThreadPoolExecutor(OVERRUN_CLIENTS + 1) as pool,
    ):
        eventually(process.ready)
        with held_inserts(deployment):
            until = time.monotonic() + OVERRUN_SECONDS
            health = pool.submit(health_statuses, process, until)
            clients = [
                pool.submit(insist, process, number, until) for number in range(OVERRUN_CLIENTS)
            ]
            time.sleep(OVERRUN_SECONDS)
        answers = [answer for client in clients for answer in client.result()]
        after, _ = process.request(
            "POST", "/users", {"email": "after@example.com", "full_name": "x"}
        )

    served = [answer for answer in answers if answer.status == 201]
    refused = [answer for answer in answers if answer.status != 201]
    told = {(answer.status, answer.kind, answer.retry_after) for answer in refused}
    assert told == {(503, "urn:problem:overloaded", "1")}
    longest = max(answer.seconds for answer in refused)
    assert POOL_TIMEOUT <= longest < POOL_TIMEOUT + SLACK
    assert health.result() == {200}
    assert after == 201
    assert len(served) >= CONNECTIONS
    if deployment.driver != "aiosqlite":
        assert max(answer.seconds for answer in served) < longest + HOLD_SECONDS + SLACK
        # Half of what the connections can serve while the clients insist.
        assert len(served) > OVERRUN_SECONDS / HOLD_SECONDS * CONNECTIONS / 2


def test_a_database_server_may_restart(deployment: Deployment) -> None:
    if deployment.driver == "aiosqlite":
        pytest.skip("has no server")
    if deployment.driver == "asyncmy" and shutil.which("mariadbd") is None:
        pytest.skip("needs mariadbd on PATH")
    service, environment = deployment.service, deployment.environment
    ada = {"email": "ada@example.com", "full_name": "Ada Lovelace"}
    with (
        server_of(service, environment) as server,
        deployed(service, environment, TEST_DATABASE_URL=server.url) as own,
        own.started(database_pool_timeout=2) as process,
    ):
        eventually(process.ready)
        assert process.request("POST", "/users", ada)[0] == 201

        server.stop()
        start = time.monotonic()
        problems = [
            process.request("GET", "/users"),
            process.request("POST", "/users", ada | {"email": "lost@example.com"}),
        ]
        seconds = time.monotonic() - start
        eventually(process.leaves)
        unready = process.request("GET", "/health/ready")
        live, _ = process.request("GET", "/health/live")

        server.start()
        first = process.request("POST", "/users", ada | {"email": "grace@example.com"})
        status, page = process.request("GET", "/users")
        eventually(process.ready)

    for status_of_problem, problem in problems:
        assert (status_of_problem, problem["type"]) == (503, "urn:problem:database-unavailable")
    assert seconds < 2 * len(problems)
    assert unready[0] == 503
    down = {"database": "failing", "migrations": "failing", "pools": "ok"}
    assert unready[1]["checks"] == down
    for secret in (urlsplit(own.url).path.removeprefix("/"), tempfile.gettempdir()):
        assert secret not in str([*problems, unready])
    assert live == 200
    assert first[0] == 201
    assert status == 200
    assert [user["email"] for user in page["items"]] == ["ada@example.com", "grace@example.com"]


PATHS = 20

TRACES = ("Traceback", "was destroyed", "never retrieved", "nclosed")
"""What a process prints that did not end all it had begun."""

CANCELLED = re.compile(r'CancelledError(\\n)?"')
"""The end of a traceback with which the server tells what it has abandoned on demand."""


class SilentUpstream(socketserver.ThreadingTCPServer):
    """Takes requests and answers none."""

    daemon_threads = True
    request_queue_size = 2 * PATHS

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SilentConnection)
        self.asked: list[object] = []
        self.left: list[object] = []

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["SilentUpstream"]:
        with cls() as upstream:
            thread = threading.Thread(target=upstream.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield upstream
            finally:
                upstream.shutdown()
                thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class SilentConnection(socketserver.BaseRequestHandler):
    server: SilentUpstream

    def handle(self) -> None:
        with suppress(ConnectionError):
            while self.request.recv(65536):
                self.server.asked.append(self.client_address)
        self.server.left.append(self.client_address)


@contextmanager
def fetching(process: Process, upstream: SilentUpstream) -> Iterator[http.client.HTTPConnection]:
    """Let the process fetch many paths, and return the connection that waits for them."""
    with closing(process.connection()) as connection:
        body = json.dumps({"paths": [f"/{number}" for number in range(PATHS)]})
        before = len(upstream.asked)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/upstream/fetch", body, headers)
        eventually(lambda: len(upstream.asked) >= before + PATHS)
        yield connection


def traces_in(output: Path) -> list[str]:
    lines = output.read_text("utf-8").splitlines()
    return [line for line in lines if any(trace in line for trace in TRACES)]


@pytest.fixture
def upstream(deployment: Deployment) -> Iterator[SilentUpstream]:
    if HTTP_CLIENTS[deployment.driver] == "none":
        pytest.skip("fetches nothing")
    with SilentUpstream.running() as upstream:
        yield upstream


def test_fetches_that_are_abandoned_leave_no_trace(
    deployment: Deployment, upstream: SilentUpstream, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    settings: dict[str, Any] = {
        "upstream_url": upstream.url,
        "drain_seconds": 600,
        "pythonwarnings": "always",
    }
    with deployment.started(output=output, **settings) as process:
        eventually(process.ready)
        with fetching(process, upstream):
            process.popen.send_signal(signal.SIGTERM)
            eventually(process.leaves)
            process.popen.send_signal(signal.SIGTERM)
            exit_code = process.popen.wait(30)

    assert exit_code == 0
    assert [line for line in traces_in(output) if not CANCELLED.search(line)] == []


def test_fetches_that_nobody_waits_for_leave_no_trace(
    deployment: Deployment, upstream: SilentUpstream, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    settings: dict[str, Any] = {
        "upstream_url": upstream.url,
        "request_timeout": 3,
        "pythonwarnings": "always",
    }
    with deployment.started(output=output, **settings) as process:
        eventually(process.ready)
        with fetching(process, upstream) as connection:
            connection.close()
        # Until then no other path is asked for.
        eventually(lambda: len(upstream.left) >= PATHS)
        with fetching(process, upstream) as connection:
            response = connection.getresponse()
            answer = json.loads(response.read())
        with fetching(process, upstream):
            process.popen.send_signal(signal.SIGTERM)
            exit_code = process.popen.wait(30)

    # The deadline of a request comes soon after that of its paths.
    errors = [result["error"] for result in answer.get("results", ())]
    assert errors == ["timeout"] * PATHS or response.status == 504
    assert exit_code == 0
    assert traces_in(output) == []
