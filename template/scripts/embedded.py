"""A database server that runs for as long as anybody uses it."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from sqlalchemy import URL

if sys.platform != "win32":
    import fcntl

MAX_SOCKET_PATH = 103
"""Bytes that the path of a Unix socket may have on every system."""


class NoServerError(Exception):
    """No server can be had; the message says why."""


class EmbeddedServer(ABC):
    """A server on the data in a folder, reached through a Unix socket.

    A ``temporary`` server forgets its data when it stops. It is also faster, since its data need
    not survive a power cut.
    """

    socket_name: ClassVar[str]

    def __init__(self, folder: Path, *, temporary: bool) -> None:
        self.folder = folder.resolve()
        self.temporary = temporary
        self.data = self.folder / "data"
        self.socket = self._socket_folder() / self.socket_name

    @property
    @abstractmethod
    def url(self) -> URL:
        """The URL of a database that is always there."""

    @abstractmethod
    def create(self, data: Path) -> None:
        """Make the files of a new server in ``data``."""

    @abstractmethod
    def start(self) -> None:
        """Start the server and wait until it accepts connections."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the server, if it runs, and wait until it has ended."""

    @contextmanager
    def running(self) -> Iterator[URL]:
        """Run the server, or use the one that already runs on the folder.

        The last user stops it, even if a process that was killed has started it.

        Raises:
            NoServerError: the server does not start.
        """
        if sys.platform == "win32":
            message = "on Windows no server can be started that is shared"
            raise NoServerError(message)
        self.folder.mkdir(parents=True, exist_ok=True)
        # The system releases the locks of a process that was killed.
        with (self.folder / "users.lock").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                with (self.folder / "start.lock").open("w") as starting:
                    fcntl.flock(starting, fcntl.LOCK_EX)
                    self._ensure_running()
                yield self.url
            finally:
                with suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.stop()
                    self._clean_up()

    def accepts_connections(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(os.fspath(self.socket)) == 0

    def _ensure_running(self) -> None:
        if self.accepts_connections():
            return
        if not self.data.exists():
            # One that was interrupted must not be taken for a whole one.
            unfinished = self.folder / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            self.create(unfinished)
            unfinished.rename(self.data)
        self.start()

    def _clean_up(self) -> None:
        if self.temporary:
            shutil.rmtree(self.data, ignore_errors=True)
        if self.socket.parent != self.data:
            shutil.rmtree(self.socket.parent, ignore_errors=True)

    def _socket_folder(self) -> Path:
        # In a URL a comma stands between two hosts.
        fits = len(os.fsencode(self.data / self.socket_name)) <= MAX_SOCKET_PATH
        if fits and "," not in str(self.data):
            return self.data
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()
        return Path(tempfile.gettempdir(), f"{{ package_name }}-{digest[:16]}")


def run_to_end(
    command: Sequence[str | Path], *, folder: str | Path = "/", user: str | None = None
) -> str:
    """Run a program in a folder, all of it even on Ctrl-C, and return what it prints.

    Raises:
        NoServerError: it fails.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(  # noqa: S603 - there is no shell to be tricked
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            user=user,
            start_new_session=True,
        )
        try:
            process.wait()
        finally:
            process.wait()
        output.seek(0)
        printed = output.read()
    if process.returncode:
        message = f"{command[0]} failed:\n{printed}"
        raise NoServerError(message)
    return printed
