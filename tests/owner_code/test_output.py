"""What becomes of log lines that nobody takes."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

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
