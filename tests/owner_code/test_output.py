"""What becomes of log lines that nobody takes, and of those that others write."""

import json
import logging.config
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog
import uvicorn.config
from starlette.types import Receive, Scope, Send

from order_desk.server.logs import configure_logging
from order_desk.web.middleware import RequestIdMiddleware

from tests.conftest import ROOT
from tests.server.connections import GET, connection

LOG_MUCH = """
import structlog, sys
from order_desk.server.logs import configure_logging
configure_logging("INFO")
for _ in range(10_000):
    structlog.get_logger().info("much")
print("all logged", file=sys.stderr, flush=True)
sys.stdin.read()
structlog.get_logger().info("last")
"""

LOG_AND_DIE = """
import os, signal, structlog
from order_desk.server.logs import configure_logging
configure_logging("INFO")
structlog.get_logger().info("last words")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_no_line_waits_for_a_reader() -> None:
    with subprocess.Popen(  # noqa: S603 - it is written above
        [sys.executable, "-c", LOG_MUCH],
        cwd=ROOT / "src",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr
        assert process.stdout
        assert process.stderr.readline() == b"all logged\n"
        kept = len(os.read(process.stdout.fileno(), 1_000_000).splitlines())
        told, last = map(json.loads, process.communicate()[0].splitlines())

    assert (told["event"], last["event"]) == ("log lines dropped", "last")
    assert kept + told["count"] == 10_000


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "| true"])
def test_an_output_that_takes_nothing_fails_nobody(redirection: str) -> None:
    shell = f'"{sys.executable}" -c "$CODE" {redirection}'
    done = subprocess.run(  # noqa: S602 - it is written here
        shell,
        shell=True,
        cwd=ROOT / "src",
        env={**os.environ, "CODE": LOG_MUCH},
        stdin=subprocess.DEVNULL,
        capture_output=redirection != ">&-",
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert "Traceback" not in (done.stderr or "")


def test_a_process_that_is_killed_loses_no_line() -> None:
    killed = subprocess.run(  # noqa: S603 - it is written above
        [sys.executable, "-c", LOG_AND_DIE],
        cwd=ROOT / "src",
        stdout=subprocess.PIPE,
        check=False,
    )

    assert json.loads(killed.stdout)["event"] == "last words"


def test_a_server_with_handlers_of_its_own_logs_the_same_way(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    configure_logging("INFO")

    logging.getLogger("uvicorn.error").error("hello")

    output = capfd.readouterr()
    assert json.loads(output.out)["event"] == "hello"
    assert output.err == ""


async def test_what_nobody_handles_is_logged_with_the_id_of_its_request(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        message = "nobody handles this"
        raise LookupError(message)

    configure_logging("INFO")
    async with connection(RequestIdMiddleware(fail)) as (reader, writer):
        writer.write(GET[:-2] + b"X-Request-ID: abc\r\n\r\n")
        received = await reader.read()

    assert received.startswith(b"HTTP/1.1 500 ")
    (line,) = map(json.loads, capfd.readouterr().out.splitlines())
    assert (line["event"], line["level"]) == ("Exception in ASGI application", "error")
    assert line["request_id"] == "abc"
    assert "LookupError: nobody handles this" in line["exception"]
    assert "in fail\n" in line["exception"]
