"""A service as a process."""

import socket
from pathlib import Path

import pytest

from order_desk.__main__ import ACCEPTED_AT_ONCE, duplicated
from order_desk.main import MAX_BODY_BYTES

from tests.process import test_process
from tests.process.service import eventually, started
from tests.process.test_process import HEAD

_no_gizmos = test_process._no_gizmos


@pytest.mark.usefixtures("_no_gizmos")
def test_sigterm_loses_no_request_of_one_process(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKERS", "1")

    test_process.test_sigterm_loses_no_request(tmp_path, database_url)


def test_a_client_that_sends_a_large_body_first_reads_its_answer(
    tmp_path: Path, database_url: str
) -> None:
    size = 5 * MAX_BODY_BYTES
    with started(tmp_path, database_url=database_url, workers=1) as service:
        eventually(service.listens)

        with service.connect() as connection:
            for _ in range(2):
                connection.sendall(HEAD % size + b"\r\n" + b"x" * size)
                assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_the_duplicates_of_a_listener_are_closed_with_it() -> None:
    with duplicated(socket.create_server(("127.0.0.1", 0))) as listeners:
        pass

    assert [listener.fileno() for listener in listeners] == [-1] * ACCEPTED_AT_ONCE
