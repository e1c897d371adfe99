"""The service as a process of its own, as it runs in production."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.conftest import ROOT

SECONDS = 30.0
"""The time after which a test gives up."""


class Service:
    """A process that serves, or has tried to."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, output: Path) -> None:
        self.process = process
        self._address = ("127.0.0.1", port)
        self._output = output

    @property
    def printed(self) -> str:
        return self._output.read_text()

    def get(self, path: str) -> httpx2.Response:
        """Send a request on a connection of its own."""
        host, port = self._address
        return httpx2.get(f"http://{host}:{port}{path}", timeout=SECONDS)

    def connect(self) -> socket.socket:
        return socket.create_connection(self._address, timeout=SECONDS)

    def listens(self) -> bool:
        assert self.process.poll() is None, self.printed
        try:
            self.connect().close()
        except ConnectionError:  # refused, or reset as the listener closes
            return False
        return True

    def ends_with(self) -> int:
        """Wait for the end of the process and return its exit code."""
        return self.process.wait(SECONDS)


@contextmanager
def started(folder: Path, **settings: object) -> Iterator[Service]:
    """Start the service with some settings; nothing of it is left in the end."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **{name.upper(): str(value) for name, value in settings.items()},
    }
    output = folder / "output"
    with (
        output.open("wb") as stdout,
        subprocess.Popen(
            [sys.executable, "-m", "tests.process.serve"],
            cwd=folder,
            env=environment,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Service(process, port, output)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    give_up = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)
