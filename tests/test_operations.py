"""A service as its operators meet it: blocked by its own code, and with an output that fails."""

import http.client
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ServiceWith
from tests.helpers.process import Deployment, Process, deployed, eventually
from tests.helpers.updates import substitute

SILENCE_SECONDS = 3
SHUTDOWN_SECONDS = 2
END_SECONDS = 4
AT_ONCE_SECONDS = 10
SLACK = 4
"""Seconds that a busy machine may be late."""

REQUESTS, LINES = 20, 100
"""Together the log lines of some tests, which are more than a pipe takes."""

BLOCKING = '''\
"""Routes that an owner should not have written."""

import asyncio
import os
import time

import structlog
from fastapi import APIRouter

router = APIRouter()


@router.get("/pid")
async def pid() -> int:
    return os.getpid()


@router.get("/blocked")
async def blocked() -> None:
    time.sleep(60)


@router.get("/thread")
async def thread() -> None:
    await asyncio.to_thread(time.sleep, 60)


@router.get("/log")
async def log(size: int, count: int = 1) -> None:
    for _ in range(count):
        structlog.get_logger().error("line", text="x" * size)
'''

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("operations")]


@pytest.fixture(scope="module")
def deployment(
    service_with: ServiceWith,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A service with routes that block, whose patience is short."""
    rendered = service_with(http_client="none")
    environment = rendered.environment(pytestconfig.getoption("service_python"))
    folder = tmp_path_factory.mktemp("service") / "order-desk"
    shutil.copytree(rendered.folder, folder, ignore=shutil.ignore_patterns(".*_cache"))
    package = folder / "src/order_desk"
    (package / "blocking.py").write_text(BLOCKING, "utf-8")
    substitute(package / "main.py", r"^from \.health", r"from . import blocking\n\g<0>")
    include = r"    app.include_router(blocking.router)\n\g<0>"
    substitute(package / "main.py", r"^    return app$", include)
    for file, name, seconds in (
        ("__main__.py", "WORKER_SILENCE_SECONDS", SILENCE_SECONDS),
        ("server/drain.py", "SHUTDOWN_SECONDS", SHUTDOWN_SECONDS),
        ("server/drain.py", "END_SECONDS", END_SECONDS),
    ):
        substitute(package / file, rf"^{name} = .*$", f"{name} = {seconds}")
    with deployed(replace(rendered, folder=folder), environment) as provided:
        yield provided


@contextmanager
def asked(process: Process, path: str) -> Iterator[None]:
    """Send a request and wait for no answer."""
    with socket.create_connection(("127.0.0.1", process.port)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        time.sleep(0.5)
        yield


def live(process: Process, seconds: float = 1) -> bool:
    """Ask as a probe does."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=seconds)
    with closing(connection), suppress(OSError):
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    return False


def test_a_blocked_process_is_not_live(deployment: Deployment) -> None:
    with deployment.started() as process:
        eventually(process.ready)
        assert live(process)
        with asked(process, "/blocked"):
            assert not live(process)
            time.sleep(SILENCE_SECONDS + 1)
            # It is its orchestrator that decides about it.
            assert process.popen.poll() is None


def test_a_blocked_worker_is_replaced(deployment: Deployment, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with deployment.started(workers=2, output=output, log_level="WARNING") as process:
        eventually(lambda: len(pids(process)) == 2)
        before = pids(process)
        with asked(process, "/blocked"):
            eventually(lambda: len(pids(process) - before) == 1)
        after = pids(process)

    assert len(after & before) == 1
    lines = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert any("time.sleep(60)" in line.get("stack", "") for line in lines)


def pids(process: Process) -> set[int]:
    """Return the workers that answer now."""
    found: set[int] = set()
    for _ in range(20):
        with suppress(OSError):
            found.add(process.request("GET", "/pid")[1])
    return found


@pytest.mark.parametrize("path", ["/blocked", "/thread"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGTERM, signal.SIGTERM)], ids=len)
def test_sigterm_ends_whatever_runs(
    deployment: Deployment, workers: int, path: str, numbers: tuple[signal.Signals, ...]
) -> None:
    with deployment.started(workers=workers, drain_seconds=1) as process:
        eventually(lambda: len(pids(process)) == workers)
        serving = pids(process)
        with asked(process, path):
            start = time.monotonic()
            for number in numbers:
                process.popen.send_signal(number)
                time.sleep(0.2)
            process.popen.wait(40)
            seconds = time.monotonic() - start

    if len(numbers) == 1:
        assert seconds < 1 + SHUTDOWN_SECONDS + END_SECONDS + SLACK
    assert seconds < AT_ONCE_SECONDS + SLACK
    assert not any(map(is_alive, serving))


def is_alive(number: int) -> bool:
    """Say whether there is such a process."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def log_much(process: Process, *, size: int) -> None:
    """Let the process log more than a pipe takes, and see that it serves on."""
    eventually(process.ready)
    start = time.monotonic()
    for _ in range(REQUESTS):
        assert process.request("GET", f"/log?size={size}&count={LINES}")[0] == 200
    assert process.ready()
    assert time.monotonic() - start < SLACK


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("output", ["closed", "/dev/full"])
def test_an_output_that_takes_nothing_fails_no_request(
    deployment: Deployment, workers: int, output: str
) -> None:
    closed = output == "closed"
    file = None if closed else Path(output)
    with deployment.started(output=file, closed=closed, workers=workers) as process:
        log_much(process, size=100)
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(30) == 0


@pytest.mark.parametrize("size", [10, 10_000])
def test_a_reader_that_stalls_holds_up_nobody_and_sees_whole_lines(
    deployment: Deployment, size: int
) -> None:
    reading, writing = os.pipe()
    try:
        with deployment.started(output=writing) as process:
            log_much(process, size=size)
            os.set_blocking(reading, False)
            received = read_all(reading)
            assert process.request("GET", "/log?size=1")[0] == 200
            received += read_all(reading)
    finally:
        os.close(reading)
        os.close(writing)

    lines = [json.loads(line) for line in received.splitlines()]
    written = [line for line in lines if line["event"] == "line"]
    dropped = [line["count"] for line in lines if line["event"] == "log lines dropped"]
    assert {len(line["text"]) for line in written} == {size, 1}
    assert len(written) + sum(dropped) == REQUESTS * LINES + 1
    assert len(dropped) == 1


def read_all(descriptor: int) -> bytes:
    """Read what there is."""
    received = b""
    with suppress(BlockingIOError):
        while chunk := os.read(descriptor, 65536):
            received += chunk
    return received


def test_a_reader_that_has_gone_fails_no_request(deployment: Deployment) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with deployment.started(output=writing) as process:
            log_much(process, size=100)
    finally:
        os.close(writing)
