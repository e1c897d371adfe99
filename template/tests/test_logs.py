import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from {{ package_name }}.logs import (
    FLUSH_BYTES,
    FLUSH_SECONDS,
    OUTPUT,
    BatchedOutput,
    configure_logging,
    request_logger,
)


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    OUTPUT.drain()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_lines_are_json(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    capfd.readouterr()

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
    capfd.readouterr()

    structlog.get_logger().info("hello", number=1)
    request_logger()(number=1)

    line, other = map(json.loads, capfd.readouterr().out.splitlines())
    assert line["value"] == other["value"] == repr(value)
    assert line["number"] == other["number"] == 1


def test_lines_on_a_terminal_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(output))
    configure_logging("INFO")

    structlog.get_logger().info("hello")

    assert b"hello" in output.getvalue()
    assert not output.getvalue().startswith(b"{")


def test_libraries_log_the_same_way(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING")

    logging.getLogger("library").info("not shown")
    logging.getLogger("library").warning("hello %s", "there")

    assert json.loads(capfd.readouterr().out)["event"] == "hello there"


def test_the_line_of_a_request_is_like_others(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    values = {"method": "GET", "path": "/", "status": 200, "milliseconds": 1.5}
    structlog.contextvars.bind_contextvars(request_id="abc", status="of the context")
    capfd.readouterr()

    request_logger()(**values)
    structlog.get_logger().info("request", **values)

    line, other = map(json.loads, capfd.readouterr().out.splitlines())
    assert len(line.pop("timestamp")) == len(other.pop("timestamp"))
    assert line == other


def test_the_line_of_a_request_has_its_level(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING")
    capfd.readouterr()

    request_logger()(status=200)

    assert capfd.readouterr().out == ""


def test_the_line_of_a_request_is_text_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(output))
    configure_logging("INFO")

    request_logger()(status=200)

    assert b"request" in output.getvalue()
    assert not output.getvalue().startswith(b"{")


async def test_lines_are_written_together(capfd: pytest.CaptureFixture[str]) -> None:
    output = BatchedOutput()

    for _ in range(3):
        output.write(b"line\n")
        output.flush()
    assert capfd.readouterr().out == ""
    await asyncio.sleep(FLUSH_SECONDS * 2)

    assert capfd.readouterr().out == "line\n" * 3


async def test_a_large_batch_is_written_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    output = BatchedOutput()

    output.write(b"x" * FLUSH_BYTES)
    output.flush()

    assert len(capfd.readouterr().out) == FLUSH_BYTES


async def test_the_last_lines_are_drained(capfd: pytest.CaptureFixture[str]) -> None:
    output = BatchedOutput()
    output.write(b"last\n")
    output.flush()

    output.drain()

    assert capfd.readouterr().out == "last\n"
