"""What a service promises when processes are killed, restarted, overrun and attacked."""

import http.client
import itertools
import os
import random
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.helpers.process import Deployment, Process, deployed, eventually, free_port, request
from tests.helpers.service import Service, run

CLIENTS = 4
KILLS = {"asyncpg": 20, "psycopg": 2, "aiosqlite": 2, "asyncmy": 2}
IDLE_CONNECTIONS = 10_000
BYTES_PER_IDLE_CONNECTION = 16 * 1024

HEAD = (
    b"POST /users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)

# These hold only for an API without cursors, whose paths have no fixed part beside a variable one.
UNSUITABLE_CHECKS = "positive_data_acceptance,unsupported_method"

pytestmark = pytest.mark.xdist_group("faults")


@pytest.fixture(scope="module", params=KILLS)
def deployment(
    request: pytest.FixtureRequest, render: Render, pytestconfig: pytest.Config
) -> Iterator[Deployment]:
    """A service with each driver."""
    answers = {
        "project_name": "Order Desk",
        "database_driver": request.param,
        "http_client": "none",
    }
    service = Service.rendered(render(answers), {"package_name": "order_desk", **answers})
    environment = service.environment(pytestconfig.getoption("service_python"))
    with deployed(service, environment) as provided:
        yield provided


class Load:
    """Clients that create users all the time, each over a connection of its own."""

    def __init__(self, pick: Callable[[], Process]) -> None:
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.failures: list[str] = []
        self._pick = pick
        self._over = threading.Event()

    @classmethod
    @contextmanager
    def of(cls, pick: Callable[[], Process]) -> Iterator["Load"]:
        """Send requests to the process that `pick` returns for each of them."""
        load = cls(pick)
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(load._client) for _ in range(CLIENTS)]
            try:
                yield load
            finally:
                load._over.set()
        for client in clients:
            client.result()

    def goes_on(self) -> None:
        """Wait until more users were created."""
        enough = len(self.acknowledged) + 5 * CLIENTS
        eventually(lambda: len(self.acknowledged) >= enough)

    def _client(self) -> None:
        connections: dict[Process, http.client.HTTPConnection] = {}
        while not self._over.is_set():
            process = self._pick()
            connection = connections.setdefault(process, process.connection())
            email = f"{random.getrandbits(64):x}@example.com"
            self.sent.add(email)
            try:
                status, answer = request(
                    connection, "POST", "/users", {"email": email, "full_name": "x"}
                )
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                time.sleep(0.01)
                continue
            if status == 201:
                self.acknowledged.add(email)
            else:
                self.failures.append(str(answer))
        for connection in connections.values():
            connection.close()


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
            for _ in range(KILLS[deployment.service.answers["database_driver"]]):
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
        serving = [processes.enter_context(deployment.started(drain_seconds=1)) for _ in range(2)]
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
                new = processes.enter_context(deployment.started(drain_seconds=1, port=old.port))
                eventually(new.ready)
                routed.append(new)

    assert load.failures == []
    assert len(load.acknowledged) > 40


@pytest.mark.parametrize("numbers", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)])
def test_all_workers_stop_at_once(
    deployment: Deployment, numbers: tuple[signal.Signals, ...]
) -> None:
    if deployment.service.answers["database_driver"] != "asyncpg":
        pytest.skip("the same with every driver")
    with deployment.started(workers=2, drain_seconds=600) as process:
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
        status, _ = process.request(
            "POST", "/users", {"email": "stays@example.com", "full_name": "x"}
        )

    assert status == 201
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


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_idle_connections_cost_little(deployment: Deployment) -> None:
    if deployment.service.answers["database_driver"] != "asyncpg":
        pytest.skip("the same with every driver")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(IDLE_CONNECTIONS, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with deployment.started() as process, ExitStack() as connections:
            eventually(process.ready)
            before = process.resident_bytes()
            for _ in range(count):
                address = ("127.0.0.1", process.port)
                connections.enter_context(socket.create_connection(address, timeout=30))
            start = time.monotonic()
            status, _ = process.request("GET", "/users")
            seconds = time.monotonic() - start
            grown = process.resident_bytes() - before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert status == 200
    assert seconds < 1
    assert grown < count * BYTES_PER_IDLE_CONNECTION


def test_no_request_that_the_schema_allows_is_an_error_of_the_server(
    deployment: Deployment, tmp_path: Path
) -> None:
    with deployment.started() as process:
        eventually(process.ready)
        run(
            *(sys.executable, "-m", "schemathesis.cli", "run", "--no-color"),
            f"http://127.0.0.1:{process.port}/openapi.json",
            *("--max-examples", "10", "--generation-deterministic"),
            *("--phases", "examples,coverage,fuzzing"),
            *("--exclude-checks", UNSUITABLE_CHECKS),
            cwd=tmp_path,
        )
