import io
import json
import logging
import os
import sys
from collections.abc import Iterator

import pytest
import structlog

from {{ package_name }}.server.logs import configure_logging


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_lines_are_json(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")

    structlog.get_logger().info("hello", number=1)

    line = json.loads(capfd.readouterr().out)
    assert (line["event"], line["number"], line["level"]) == ("hello", 1, "info")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("value", [object(), ValueError("x"), b"\xff", "\ud800", {"a": object()}])
def test_what_is_no_json_is_logged_as_text(
    value: object, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO")
    structlog.contextvars.bind_contextvars(value=value)

    structlog.get_logger().info("hello", number=1)

    line = json.loads(capfd.readouterr().out)
    assert line["value"] == repr(value)
    assert line["number"] == 1


@pytest.mark.parametrize("name", [None, "library"])
def test_lines_on_a_terminal_are_text(monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(output))
    configure_logging("INFO")

    log = logging.getLogger(name) if name else structlog.get_logger()
    log.info("hello")

    assert b"hello" in output.getvalue()
    assert not output.getvalue().startswith(b"{")


def test_libraries_log_the_same_way(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING")

    logging.getLogger("library").info("not shown")
    logging.getLogger("library").warning("hello %s", "there")

    line = json.loads(capfd.readouterr().out)
    assert (line["event"], line["level"], line["logger"]) == ("hello there", "warning", "library")


def test_a_line_that_cannot_be_made_fails_no_library(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")

    logging.getLogger("library").warning("%d", "no number")

    output = capfd.readouterr()
    assert output.out == ""
    assert "no number" in output.err


def test_lines_that_cannot_be_written_are_counted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write, room = os.write, iter([10, 5])

    def write_a_part(file: int, data: bytes) -> int:
        if not (size := next(room, 0)):
            raise BlockingIOError
        return write(file, data[:size])

    configure_logging("INFO")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_a_part)
        for event in ("begun", "lost", "lost"):
            structlog.get_logger().info(event)
    structlog.get_logger().info("written")

    begun, told, line = map(json.loads, capfd.readouterr().out.splitlines())
    assert (begun["event"], told["count"], line["event"]) == ("begun", 2, "written")


def test_an_output_that_was_closed_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    configure_logging("INFO")

    structlog.get_logger().info("lost")
