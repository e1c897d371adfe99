"""MariaDB for development and tests, where it is installed: no set-up, no password, no port."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from {{ package_name }}.database_url import DRIVER_NAME

from scripts.embedded import EmbeddedServer, NoServerError, run_to_end

FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec")
"""Where the server may be, beside PATH."""

INSTALL = "install MariaDB (for example: apt install mariadb-server, brew install mariadb)"

PATIENCE = 60.0
"""Seconds that a start or a stop may take."""


@contextmanager
def running_server(folder: Path, *, temporary: bool = False) -> Iterator[URL]:
    """Run a server on the data in ``folder`` for as long as anybody uses it.

    Raises:
        NoServerError: MariaDB is not installed, or does not start.
    """
    with MariaDB(folder, temporary=temporary).running() as url:
        yield url


class MariaDB(EmbeddedServer):
    """Runs ``mariadbd``, which can be reached by its socket alone, and that by its user alone."""

    socket_name = "mariadb.sock"

    @property
    def url(self) -> URL:
        """The URL of the database ``mysql``."""
        query = {"unix_socket": str(self.socket)}
        return URL.create(DRIVER_NAME, "root", host="localhost", database="mysql", query=query)

    def create(self, data: Path) -> None:
        """Make the files and the user ``root``, without a password."""
        run_to_end(
            (
                _program("mariadb-install-db"),
                "--no-defaults",
                # The script cannot cope with a space in a path.
                f"--datadir=./{data.name}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *_as_this_user(),
            ),
            folder=data.parent,
        )
        data.chmod(0o700)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        server = _program("mariadbd")
        self.socket.parent.mkdir(mode=0o700, exist_ok=True)
        # The shell ends at once, so that the server is nobody's child and outlives who starts it.
        shell = ("sh", "-c", '"$@" >/dev/null 2>&1 & echo $!', "sh")
        pid = int(run_to_end((*shell, server, *self._options())))
        try:
            _wait_until(lambda: self.accepts_connections() or not _runs(pid))
        except BaseException:
            os.kill(pid, signal.SIGTERM)
            raise
        if not self.accepts_connections():
            message = f"{server} does not start:\n{self._log.read_text()}"
            raise NoServerError(message)

    def stop(self) -> None:
        """Stop the server, if it runs, and wait until it has ended."""
        if self.accepts_connections():
            os.kill(int(self._pid_file.read_text()), signal.SIGTERM)
            _wait_until(lambda: not self._pid_file.exists())

    @property
    def _pid_file(self) -> Path:
        return self.data / "mariadb.pid"

    @property
    def _log(self) -> Path:
        return self.data / "mariadb.err"

    def _options(self) -> Iterator[str]:
        yield "--no-defaults"
        yield f"--datadir={self.data}"
        yield f"--socket={self.socket}"
        yield f"--pid-file={self._pid_file}"
        yield f"--log-error={self._log}"
        yield "--skip-networking"
        yield from _as_this_user()
        if self.temporary:
            yield from ("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite")


def _program(name: str) -> str:
    path = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *FOLDERS]))
    if path is None:
        message = f"{name} is not on PATH: {INSTALL}"
        raise NoServerError(message)
    return path


def _as_this_user() -> list[str]:
    # MariaDB runs as root only where it is told to.
    return ["--user=root"] if os.geteuid() == 0 else []


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            message = f"MariaDB takes longer than {PATIENCE:.0f} seconds"
            raise NoServerError(message)
        time.sleep(0.02)
