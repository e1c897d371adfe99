"""A rendered service as processes of its own, on a database of its own."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.service import FOREIGN, Environment, Service, database_url, run

START_SECONDS = 60
"""The time that a process has to serve, on a machine that is busy with other tests."""

SERVER_PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), "/usr/sbin")
"""Where servers are, beside PATH."""

PROVIDE = """
import sys
from tests.databases import provide_database
with provide_database() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


EXECUTE = """
import asyncio, sys
from tests.databases import run_admin_sql
url, *statements = sys.argv[1:]
for statement in statements:
    asyncio.run(run_admin_sql(url, statement))
"""

SERVE = """
import sys
from pathlib import Path
from scripts.{module} import {kind}
server = {kind}(Path(sys.argv[1]), temporary=True)
with server.running() as url:
    print(url.render_as_string(hide_password=False), flush=True)
    for command in sys.stdin:
        getattr(server, command.strip())()
        print("done", flush=True)
"""

SERVERS = {
    "asyncpg": SERVE.format(module="postgres", kind="Postgres"),
    "psycopg": SERVE.format(module="postgres", kind="Postgres"),
    "asyncmy": SERVE.format(module="mariadb", kind="MariaDB"),
}
"""The programs that run the embedded server of a service, by driver."""


@dataclass(frozen=True)
class Deployment:
    """What all processes of a service have in common."""

    service: Service
    environment: Environment
    url: str

    @property
    def driver(self) -> str:
        """The driver of the service."""
        return str(self.service.answers["database_driver"])

    def execute(self, *statements: str) -> None:
        """Run statements on the database, without the service."""
        run(
            self.environment.python,
            "-c",
            EXECUTE,
            self.url,
            *statements,
            cwd=self.service.folder,
            **environ(self.service),
        )

    @contextmanager
    def started(
        self, *, output: Path | int | None = None, closed: bool = False, **settings: object
    ) -> Iterator["Process"]:
        """Start a process, and end it with all its workers.

        A file takes its output, or a descriptor, or nothing, if it is to be closed.
        """
        port = settings.pop("port", None) or free_port()
        variables = {name.upper(): str(value) for name, value in settings.items()}
        printed = output.open("wb") if isinstance(output, Path) else output
        close = ("sh", "-c", 'exec "$@" >&-', "sh") if closed else ()
        process = subprocess.Popen(
            (*close, self.environment.python, "-m", self.service.package),
            cwd=self.service.folder,
            stdout=printed,
            stderr=printed,
            env=environ(
                self.service,
                DATABASE_URL=self.url,
                PORT=str(port),
                **{"WORKERS": "1", "DRAIN_SECONDS": "0", "LOG_LEVEL": "ERROR", **variables},
            ),
            start_new_session=True,
        )
        try:
            yield Process(process, int(str(port)))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if printed is not None and not isinstance(printed, int):
                printed.close()


@dataclass(frozen=True)
class Process:
    """A process that serves."""

    popen: subprocess.Popen[bytes]
    port: int

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection that is not made yet."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request on a connection of its own."""
        with closing(self.connection()) as connection:
            return request(connection, method, path, body)

    def ready(self) -> bool:
        """Say whether the process wants requests."""
        try:
            return self.request("GET", "/health/ready")[0] == 200
        except OSError:
            return False

    def leaves(self) -> bool:
        """Say whether the process wants no more requests."""
        return not self.ready()

    def resident_bytes(self) -> int:
        """Return the memory that the process has."""
        pages = int(Path(f"/proc/{self.popen.pid}/statm").read_text("utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def request(
    connection: http.client.HTTPConnection, method: str, path: str, body: object = None
) -> tuple[int, Any]:
    """Send a request and return the status and the body of the answer."""
    connection.request(
        method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"}
    )
    response = connection.getresponse()
    return response.status, json.loads(response.read() or "null")


def eventually(
    condition: Callable[[], bool], seconds: float = START_SECONDS, *, step: float = 0.05
) -> None:
    """Wait until the condition holds."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(step)


def program(name: str) -> str:
    """Return the path of a program; without it, a test is skipped or fails."""
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, SERVER_PLACES)]))
    if found is None:
        end = pytest.fail if os.environ.get("REQUIRE_DATABASE") == "1" else pytest.skip
        end(f"{name} is not installed")
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        return int(reserved.getsockname()[1])


def environ(service: Service, **variables: str) -> dict[str, str]:
    """Return the environment variables of a process of the service."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    server = database_url(service.answers["database_driver"])
    return {
        **inherited,
        "PYTHONPATH": f"{service.folder / 'src'}{os.pathsep}{service.folder}",
        **({} if server is None else {"TEST_DATABASE_URL": server}),
        "METRICS_PORT": "",  # many serve on this machine
        **variables,
    }


@dataclass(frozen=True)
class Server:
    """A database server that can be stopped and started again."""

    popen: subprocess.Popen[str]
    url: str

    def stop(self) -> None:
        """Stop it, and with it all connections."""
        self._control("stop")

    def start(self) -> None:
        """Start it with the data that it had."""
        self._control("start")

    def _control(self, command: str) -> None:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        print(command, file=self.popen.stdin, flush=True)
        assert self.popen.stdout.readline() == "done\n"


@contextmanager
def server_of(service: Service, environment: Environment) -> Iterator[Server]:
    """Run the embedded server of the service, for one test alone."""
    program = SERVERS[service.answers["database_driver"]]
    with (
        tempfile.TemporaryDirectory() as folder,
        provider(service, environment, program, folder) as (popen, url),
    ):
        yield Server(popen, url)


@contextmanager
def provider(
    service: Service, environment: Environment, *program: str, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a program that prints the URL of a database and keeps it until its input ends."""
    with subprocess.Popen(
        (environment.python, "-c", *program),
        cwd=service.folder,
        env=environ(service, **variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as popen:
        assert popen.stdout is not None
        url = popen.stdout.readline().strip()
        assert url
        yield popen, url
        popen.communicate()


@contextmanager
def deployed(service: Service, environment: Environment, **variables: str) -> Iterator[Deployment]:
    """Provide a migrated database for the service."""
    with provider(service, environment, PROVIDE, **variables) as (_, url):
        service.run_module(environment, "alembic", "upgrade", "head", DATABASE_URL=url)
        yield Deployment(service, environment, url)
