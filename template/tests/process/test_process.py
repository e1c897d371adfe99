import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS

from {{ package_name }} import __main__ as entry_point
from {{ package_name }}.settings import Settings

from tests.databases import run_admin_sql
from tests.process.service import Service, eventually, started

SETTINGS: dict[str, dict[str, object]] = {
    "interactive": {"drain_seconds": 600, "workers": 1},
    "supervised": {"drain_seconds": 600, "workers": 2},
    "impatient": {"drain_seconds": 600, "workers": 2},
    "draining": {"drain_seconds": 2, "workers": 1},
}

AT_ONCE = 10.0
"""Seconds; long before the request of a test or the drain would end."""

BODY = b'{"email": "ada@example.com", "full_name": "Ada Lovelace"}'
HEAD = (
    b"POST /users HTTP/1.1\r\n"
    b"Host: service.test\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n"
    b"Expect: 100-continue\r\n\r\n"
)


@contextmanager
def running_request(service: Service) -> Iterator[socket.socket]:
    """Begin a request, which then runs until its body follows."""
    with service.connect() as connection:
        connection.sendall(HEAD % len(BODY))
        assert connection.recv(1024).startswith(b"HTTP/1.1 100")
        yield connection


@pytest.fixture(scope="module")
def services(
    tmp_path_factory: pytest.TempPathFactory, database_url: str
) -> Iterator[dict[str, Service]]:
    """One for each test, all started together, since starting is what takes its time."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                started(tmp_path_factory.mktemp(name), database_url=database_url, **settings)
            )
            for name, settings in SETTINGS.items()
        }


def test_bad_settings_stop_the_start_with_one_line(tmp_path: Path) -> None:
    with started(tmp_path, database_url="nowhere", port="http", lock_timeout=-1) as service:
        exit_code = service.ends_with()

    (line,) = service.printed.splitlines()
    assert all(name in line for name in ("DATABASE_URL", "PORT", "LOCK_TIMEOUT"))
    assert exit_code == 1


@pytest.mark.parametrize("name", ["interactive", "supervised"])
def test_ctrl_c_stops_at_once(services: dict[str, Service], name: str) -> None:
    service = services[name]
    eventually(service.listens)

    with running_request(service):
        start = time.monotonic()
        service.process.send_signal(signal.SIGINT)
        exit_code = service.ends_with()

    assert time.monotonic() - start < AT_ONCE
    assert exit_code == 0


def test_a_second_sigterm_stops_all_workers_at_once(services: dict[str, Service]) -> None:
    service = services["impatient"]
    eventually(service.listens)

    with running_request(service):
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: service.get("/users").headers.get("connection") == "close")
        start = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        exit_code = service.ends_with()

    assert time.monotonic() - start < AT_ONCE
    assert exit_code == 0


@pytest.fixture
def _no_users(database_url: str) -> Iterator[None]:
    yield
    asyncio.run(run_admin_sql(database_url, "DELETE FROM users"))


@pytest.mark.usefixtures("_no_users")
def test_sigterm_loses_no_request(services: dict[str, Service], database_url: str) -> None:
    service = services["draining"]
    eventually(service.listens)

    with running_request(service) as request:
        service.process.send_signal(signal.SIGTERM)
        # {% if health_checks %}
        eventually(lambda: service.get("/health/ready").status_code == 503)
        # {% endif %}
        eventually(lambda: service.get("/users").headers.get("connection") == "close")
        eventually(lambda: not service.listens())
        time.sleep(0.3)
        request.sendall(BODY)
        answer = request.recv(1024)
    exit_code = service.ends_with()

    assert answer.startswith(b"HTTP/1.1 201")
    assert len(asyncio.run(run_admin_sql(database_url, "SELECT id FROM users"))) == 1
    assert exit_code == 0


def test_a_taken_port_stops_the_start_with_one_line(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(SystemExit, match=rf"PORT: 127\.0\.0\.1 {port}: .*in use") as stop:
            entry_point.listen(settings.model_copy(update={"port": port}))

    assert "\n" not in str(stop.value)


def test_workers_that_cannot_start_are_not_started_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = SimpleNamespace(exitcode=STARTUP_FAILURE)
    supervisor = SimpleNamespace(run=lambda: None, processes=[failed])
    monkeypatch.setattr(entry_point, "Supervisor", lambda *_: supervisor)

    with socket.socket() as listener, pytest.raises(SystemExit) as stop:
        entry_point.supervise(uvicorn.Config(FastAPI(), log_config=None), listener)

    assert stop.value.code == STARTUP_FAILURE


@pytest.fixture
def _signals_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals_restored")
def test_a_supervisor_listens_no_longer_than_its_workers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(FastAPI(), log_config=None)
        supervisor = entry_point.Supervisor(config, [listener])

        supervisor.terminate_all()

        assert listener.fileno() == -1
