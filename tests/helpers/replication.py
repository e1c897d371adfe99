"""A PostgreSQL server and its standby, started for tests and ended with them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.process import eventually, free_port, program
from tests.helpers.tls import SERVER


@dataclass(frozen=True)
class Server:
    """A server of its own, with the data in a folder of its own."""

    folder: Path
    port: int

    @property
    def host(self) -> str:
        """The address, as one of several in a URL."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder.parent} -c fsync=off"
        self._control("start", "-o", options, "-l", f"{self.folder}.log")
        eventually(self._answers)

    def stop(self) -> None:
        """End it at once, as a crash does, and with it all connections."""
        self._control("stop", "-m", "immediate")

    def promote(self) -> None:
        """Let a standby take changes."""
        self._control("promote")

    def follow(self, other: "Server") -> None:
        """Be a standby of another server, from the next start on."""
        with (self.folder / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"primary_conninfo = 'host=127.0.0.1 port={other.port} user=postgres'\n")
        (self.folder / "standby.signal").touch()

    def ask(self, statement: str) -> str:
        """Run a statement as the owner of the server; return the value."""
        address = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        return execute(program("psql"), *address, "-Atc", statement).strip()

    def _answers(self) -> bool:
        with suppress(subprocess.CalledProcessError):
            return self.ask("SELECT 1") == "1"
        return False

    def _control(self, *command: str) -> None:
        execute(program("pg_ctl"), *command, "-w", "-D", self.folder)


def execute(*command: str | Path) -> str:
    """Run a program as a user that PostgreSQL accepts; return what it prints."""
    return subprocess.run(
        command,
        user=SERVER,
        cwd="/",
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # What pg_ctl starts keeps the files that it is given.
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=60,
    ).stdout


@contextmanager
def streaming_pair() -> Iterator[tuple[Server, Server]]:
    """Run a server and a standby that follows it; both let in anybody on this machine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if SERVER:
            shutil.chown(folder, SERVER)
        primary = Server(folder / "primary", free_port())
        standby = Server(folder / "standby", free_port())
        execute(program("initdb"), "-D", primary.folder, "-U", "postgres", "-A", "trust")
        try:
            primary.start()
            copy = (program("pg_basebackup"), "-D", standby.folder, "-R", "--checkpoint=fast")
            execute(*copy, "-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres")
            standby.start()
            yield primary, standby
        finally:
            for server in (standby, primary):
                with suppress(subprocess.CalledProcessError):  # it was stopped, or never started
                    server.stop()
