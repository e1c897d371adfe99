"""Services and servers for all benchmarks: rendered, installed, started and loaded."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from copier import run_copy

HERE = Path(__file__).parent
CONNECTIONS = 64
POOL_SIZE = 16
WARM_UP_SECONDS = 1
START_SECONDS = 300.0
"""Valgrind needs most of it."""

IDLE_SECONDS = 0.05
SETTLE_SECONDS = 5.0

CPUS = os.sched_getaffinity(0)
SERVER_CPU, LOAD_CPU = sorted(CPUS)[:2]
SERVER_CPUS = frozenset({SERVER_CPU})
LOAD_CPUS = frozenset({LOAD_CPU})
TICKS = os.sysconf("SC_CLK_TCK")

CASES = ("get", "list20", "list100", "nested20", "post")
"""The kinds of requests; those of load.lua and of answers.py."""

ROWS = {
    "limit": "the limit: ASGI, asyncpg and orjson",
    "fastapi_asyncpg": "FastAPI on asyncpg, without an ORM",
    "fast": "the service with fast paths",
    "default": "the service by default",
    "naive": "a naive application",
}
"""What is compared, by the name of its program here or of its variant of the service."""

VARIANTS: dict[str, tuple[str, ...]] = {"fast": ("fast_paths=true",), "default": ()}
"""The answers of each variant of the service."""

BASE = "limit"
"""The row that all others are a share of."""

SERVICES = ("slow", "counted")
"""Programs of this folder that run a service, with other routes or another watchdog."""

HOLD_DATABASE = """
from tests.databases import provide_database
with provide_database() as url:
    print(url, flush=True)
    input()
"""


@dataclass(frozen=True)
class Round:
    """What one server did in one round."""

    rate: float
    """Requests a second."""
    cost: float
    """Processor time of the server, microseconds a request."""
    p50: float
    """Milliseconds, as p99."""
    p99: float


def processor_seconds(pids: Collection[int]) -> float:
    """Return the processor time that processes have used."""
    seconds = 0.0
    for pid in pids:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(values[11]) + int(values[12])) / TICKS
    return seconds


@dataclass(frozen=True)
class Service:
    """A rendered service with its dependencies installed."""

    name: str
    folder: Path

    @property
    def package(self) -> str:
        (entry_point,) = self.folder.glob("src/*/__main__.py")
        return entry_point.parent.name

    def start(
        self, *arguments: str | Path, under: Sequence[str] = (), **options: Any
    ) -> subprocess.Popen[str]:
        """Start Python in the service's environment, perhaps under another program."""
        command = [*under, self.folder / ".venv/bin/python", *arguments]
        return subprocess.Popen(command, cwd=self.folder, text=True, **options)


@dataclass
class Server:
    """A running server and its rounds, by case."""

    name: str
    port: int
    pid: int
    prefix: str = ""
    """Goes before the names of cases where load.lua has other requests for the server."""
    rounds: dict[str, list[Round]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pids(self) -> list[int]:
        """Return the process and its workers."""
        found = [self.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        return found

    def processor_seconds(self) -> float:
        """Return the processor time that the process and its workers have used."""
        return processor_seconds(self.pids())

    def peak_megabytes(self) -> float:
        """Return the most memory that the process has had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024

    def settle(self) -> None:
        """Wait until it has nothing left to do: some go on with requests whose clients are gone."""
        deadline = time.monotonic() + SETTLE_SECONDS
        before = -1.0
        while (now := self.processor_seconds()) > before and time.monotonic() < deadline:
            before = now
            time.sleep(IDLE_SECONDS)

    def load(
        self, case: str, ids: Path, *, seconds: int, cpus: Collection[int] = LOAD_CPUS
    ) -> Round:
        """Send requests of one kind on many connections for some seconds."""
        tag = f"{self.name}{time.time_ns()}"
        command = [
            "taskset",
            "-c",
            ",".join(map(str, cpus)),
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "--timeout",
            "30s",
        ]
        before = self.processor_seconds()
        output = subprocess.run(
            [*command, "-s", HERE / "load.lua", self.url, "--", f"{self.prefix}{case}", tag, ids],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        used = self.processor_seconds() - before
        self.settle()
        result = json.loads(output.splitlines()[-1])
        if result["failed"] or not result["requests"]:
            sys.exit(
                f"{self.name} failed {result['failed']} of {result['requests']} requests: {case}"
            )
        return Round(
            rate=result["requests"] / result["microseconds"] * 1e6,
            cost=used / result["requests"] * 1e6,
            p50=result["p50"] / 1000,
            p99=result["p99"] / 1000,
        )


@dataclass(frozen=True)
class Contender:
    """A service, or an application of this folder that runs in its environment."""

    service: Service
    bare: str | None = None

    @property
    def name(self) -> str:
        return self.bare or self.service.name


def render(folder: Path, answers: Sequence[str]) -> Path:
    data = dict(answer.split("=", 1) for answer in answers)
    run_copy(
        str(HERE.parent), folder, data=data, defaults=True, unsafe=True, quiet=True, vcs_ref="HEAD"
    )
    return folder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what to measure."""
    parser.add_argument(
        "--service", type=Path, action="append", help="a folder to measure instead of a new service"
    )
    parser.add_argument(
        "--data", action="append", default=[], metavar="QUESTION=ANSWER", help="for the new service"
    )


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Add the options of those that compare services with other applications."""
    add_options(parser)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    others = [row for row in ROWS if row != BASE]
    parser.add_argument(
        "--rows", nargs="+", choices=others, default=others, help=f"besides the {BASE}"
    )


@dataclass(frozen=True)
class Setting:
    """Installed services and a database with users and orders."""

    services: Sequence[Service]
    url: str
    ids: Path
    """A file with the ids of all users."""

    @property
    def user_ids(self) -> list[str]:
        return self.ids.read_text().split()

    def contenders(self, rows: Collection[str]) -> list[Contender]:
        """Return what is compared, the limit first."""
        first = self.services[0]
        found = [Contender(first, BASE)]
        # The other drivers are compared with their limits alone.
        if "fastapi_asyncpg" in rows and "+asyncpg" in self.url:
            found.append(Contender(first, "fastapi_asyncpg"))
        found += map(Contender, self.services)
        if "naive" in rows:
            found.append(Contender(first, "naive"))
        return found


@contextmanager
def prepared(options: argparse.Namespace, *variants: str) -> Iterator[Setting]:
    """Render variants of the service, or take the given ones; install them and fill a database."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        tempfile.NamedTemporaryFile() as ids,
        ExitStack() as stack,
    ):
        folders = {folder.resolve().name: folder.resolve() for folder in options.service or ()}
        for variant in () if folders else variants or ("default",):
            answers = [*options.data, *VARIANTS[variant]]
            folders[variant] = render(Path(scratch, variant, "service"), answers)
        services = [install(Service(name, folder)) for name, folder in folders.items()]
        url = stack.enter_context(database(services[0]))
        os.environ["DATABASE_URL"] = url
        seed = services[0].start(HERE / "seed.py", services[0].package, ids.name)
        if seed.wait():
            sys.exit("the database could not be filled")
        yield Setting(services, url, Path(ids.name))


def install(service: Service) -> Service:
    """Install a service's dependencies and what the limit needs besides."""
    folder = service.folder
    subprocess.run(["uv", "sync", "--quiet"], cwd=folder, check=True)
    packages = ["orjson"]
    if "psycopg" in (folder / "pyproject.toml").read_text():
        packages.append("psycopg-pool")
    command = ["uv", "pip", "install", "--quiet", "--python", ".venv", *packages]
    subprocess.run(command, cwd=folder, check=True)
    return service


@contextmanager
def database(service: Service) -> Iterator[str]:
    """Provide an empty database as the service's tests do, and return its URL."""
    pipe = subprocess.PIPE
    holder = service.start("-c", HOLD_DATABASE, stdin=pipe, stdout=pipe)
    assert holder.stdout
    try:
        yield holder.stdout.readline().strip()
    finally:
        holder.communicate("\n")


@contextmanager
def serve(
    service: Service,
    bare: str | None = None,
    *,
    cpus: Collection[int] = SERVER_CPUS,
    under: Sequence[str] = (),
    **settings: str,
) -> Iterator[Server]:
    """Run a service, or a program of this folder in its environment.

    Some of them are services, too, and start like one; the others are applications for uvicorn.
    """
    port = free_port()
    environment = os.environ | {
        "PORT": str(port),
        "WORKERS": "1",
        "DATABASE_POOL_SIZE": str(POOL_SIZE),
        "DRAIN_SECONDS": "0",
        "METRICS_PORT": "0",
        "PACKAGE": service.package,
        **settings,
    }
    uvicorn = [
        "-m",
        "uvicorn",
        "--app-dir",
        HERE,
        "--no-access-log",
        # As the service does; it is of no account but for idle connections.
        "--timeout-keep-alive=75",
        "--port",
        str(port),
        f"{bare}:app",
    ]
    command = [HERE / f"{bare}.py"] if bare else ["-m", service.package]
    process = service.start(
        *(command if bare is None or bare in SERVICES else uvicorn),
        under=under,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.sched_setaffinity(process.pid, cpus)
    server = Server(bare or service.name, port, process.pid)
    with ending(process):
        wait_for(f"{server.url}/users?limit=1", process)
        yield server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """End a process in the end."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    """Wait until the process answers."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urlopen(url).close()
        except HTTPError as error:
            sys.exit(f"{url} answers {error.code}: {process.args!s}")
        except OSError:
            if process.poll() is not None:
                sys.exit(f"this does not start: {process.args!s}")
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def pin_database(url: str) -> None:
    """Keep the server processes of the database's connections off the servers' processor."""
    for pid in database_pids(url):
        with suppress(OSError):
            os.sched_setaffinity(pid, LOAD_CPUS)


def database_pids(url: str) -> list[int]:
    """Return the server processes of the database's connections, as far as they can be told.

    PostgreSQL has one for each connection. MariaDB has threads, which outlive a connection, so they
    stay where they are.
    """
    name = url.rpartition("/")[2].partition("?")[0]
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            title = (process / "cmdline").read_text().split()
            if title[:1] == ["postgres:"] and name in title:
                pids.append(int(process.name))
    return pids
