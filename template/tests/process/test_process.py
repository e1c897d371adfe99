import asyncio
import os
import runpy
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import SIGNALS

from {{ package_name }} import __main__ as entry_point
from {{ package_name }}.__main__ import (
    ACCEPTED_AT_ONCE,
    WORKER_SILENCE_SECONDS,
    duplicated,
    end_as_one_process,
)
from {{ package_name }}.server import watchdog
from {{ package_name }}.settings import Settings

from tests.databases import run_admin_sql
from tests.process.service import Service, eventually, started

SERVER_REACTS = 0.3
"""Seconds; the server looks ten times a second whether it shall close, and who is left."""

BODY = b'{"name": "Orrery", "note": "It shows the planets."}'
HEAD = (
    b"POST /gizmos HTTP/1.1\r\n"
    b"Host: service.test\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n"
)
EXPECT = b"Expect: 100-continue\r\n"


@contextmanager
def running_request(service: Service) -> Iterator[socket.socket]:
    """Begin a request, which then runs until its body follows."""
    with service.connect() as connection:
        connection.sendall(HEAD % len(BODY) + EXPECT + b"\r\n")
        assert connection.recv(1024).startswith(b"HTTP/1.1 100")
        yield connection


@pytest.fixture
def _signals_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "argv", ["{{ package_name }}"])
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # A shell lets what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals_restored")
def test_bad_settings_stop_the_start_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"DATABASE_URL": "nowhere", "PORT": "http", "LOCK_TIMEOUT": "-1"}
    for name, value in bad.items():
        monkeypatch.setenv(name, value)

    monkeypatch.delitem(sys.modules, entry_point.__name__)

    with pytest.raises(SystemExit) as stop:
        runpy.run_module("{{ package_name }}", run_name="__main__")

    assert all(name in str(stop.value) for name in bad)
    assert "\n" not in str(stop.value)


@pytest.mark.usefixtures("_signals_restored", "database_url")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_signal_that_the_server_passes_on_is_no_error(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_: signal.raise_signal(number))
    listener = socket.socket()
    monkeypatch.setattr(entry_point, "listen", lambda _: listener)

    exit_code = None
    with listener:
        try:
            entry_point.main()
        except SystemExit as end:
            exit_code = end.code

    assert exit_code is None


@pytest.mark.usefixtures("database_url")
def test_the_schema_is_brought_up_to_date_by_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["{{ package_name }}", "migrate"])

    entry_point.main()

    assert "The schema is up to date." in capsys.readouterr().out


@pytest.fixture
def _no_gizmos(database_url: str) -> Iterator[None]:
    yield
    asyncio.run(run_admin_sql(database_url, "DELETE FROM gizmos"))


@pytest.mark.usefixtures("_no_gizmos")
def test_sigterm_loses_no_request(tmp_path: Path, database_url: str) -> None:
    with started(tmp_path, database_url=database_url, drain_seconds=3) as service:
        eventually(service.listens)

        with running_request(service) as request:
            service.process.send_signal(signal.SIGTERM)
            time.sleep(SERVER_REACTS)
            # {% if health_checks %}
            eventually(lambda: service.get("/health/ready").status_code == 503)
            # {% endif %}
            eventually(lambda: service.get("/gizmos").headers.get("connection") == "close")
            eventually(lambda: not service.listens())
            time.sleep(SERVER_REACTS)
            request.sendall(BODY)
            answer = request.recv(1024)
        exit_code = service.ends_with()

    assert answer.startswith(b"HTTP/1.1 201")
    assert len(asyncio.run(run_admin_sql(database_url, "SELECT id FROM gizmos"))) == 1
    assert exit_code == 0


def test_a_taken_port_stops_the_start_with_one_line(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(SystemExit, match=rf"PORT: 127\.0\.0\.1 {port}: .*in use") as stop:
            entry_point.listen(settings.model_copy(update={"port": port}))

    assert "\n" not in str(stop.value)


def test_a_burst_of_connections_is_accepted_in_few_turns() -> None:
    accepted: list[asyncio.BaseTransport] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)

    async def accept(listeners: list[socket.socket]) -> int:
        turns = 0
        address = listeners[0].getsockname()
        with ExitStack() as stack:
            for listener in listeners:
                server = await asyncio.get_running_loop().create_server(Protocol, sock=listener)
                stack.callback(server.close)
            for _ in range(2 * ACCEPTED_AT_ONCE):
                stack.enter_context(socket.create_connection(address, timeout=30))
            async with asyncio.timeout(30):
                while len(accepted) < 2 * ACCEPTED_AT_ONCE:
                    await asyncio.sleep(0)
                    turns += 1
        return turns

    uvloop = pytest.importorskip("uvloop")
    with duplicated(socket.create_server(("127.0.0.1", 0))) as listeners:
        turns = uvloop.run(accept(listeners))

    assert turns < ACCEPTED_AT_ONCE


def test_workers_that_cannot_start_are_not_started_for_ever(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = SimpleNamespace(exitcode=STARTUP_FAILURE)
    supervisor = SimpleNamespace(run=lambda: None, processes=[failed])
    monkeypatch.setattr(entry_point, "Multiprocess", lambda *_: supervisor)
    monkeypatch.setattr(entry_point, "end_as_one_process", lambda _: None)
    monkeypatch.setenv(watchdog.END_AFTER, "inf")

    with socket.socket() as listener, pytest.raises(SystemExit) as stop:
        entry_point.serve(settings.model_copy(update={"workers": 2}), listener)

    assert stop.value.code == STARTUP_FAILURE
    assert os.environ[watchdog.END_AFTER] == str(WORKER_SILENCE_SECONDS)


@pytest.fixture
def supervisor(_signals_restored: None) -> Iterator[Multiprocess]:
    with duplicated(socket.create_server(("127.0.0.1", 0))) as listeners:
        supervisor = Multiprocess(uvicorn.Config(FastAPI(), log_config=None), listeners)
        end_as_one_process(supervisor)
        yield supervisor
        supervisor.should_exit.set()


@pytest.fixture
def got(supervisor: Multiprocess, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the worker of the supervisor gets."""
    got: list[int] = []
    supervisor.processes = [Mock(pid=os.getpid())]
    monkeypatch.setattr(os, "kill", lambda _, number: got.append(number))
    return got


def test_a_supervisor_listens_no_longer_than_it_starts_workers(supervisor: Multiprocess) -> None:
    supervisor.should_exit.set()

    eventually(lambda: all(listener.fileno() == -1 for listener in supervisor.sockets))


def test_ctrl_c_makes_a_supervisor_stop_its_workers_at_once(
    supervisor: Multiprocess, got: list[int]
) -> None:
    signal.raise_signal(signal.SIGINT)
    supervisor.handle_signals()

    eventually(lambda: got == [signal.SIGINT])


def test_a_second_sigterm_makes_a_supervisor_stop_its_workers_at_once(
    supervisor: Multiprocess, got: list[int]
) -> None:
    signal.raise_signal(signal.SIGTERM)
    supervisor.handle_signals()
    eventually(lambda: supervisor.sockets[-1].fileno() == -1)
    assert got == []

    signal.raise_signal(signal.SIGTERM)

    assert got == [signal.SIGINT]
