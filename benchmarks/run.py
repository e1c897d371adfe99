"""How fast a rendered service is, as a share of what the driver alone can do.

    uv run python benchmarks/run.py
    uv run python benchmarks/run.py --cases get list20 --rounds 9
    uv run python benchmarks/run.py --service ../before --service ../after

renders the service through Copier, installs it, fills a database with 10,000 users of 5 orders
each, and loads three servers by turns, a short round each: ``limit.py`` (the bare driver), the
service as it runs in production with one worker, and ``naive.py``. One processor is the servers',
another one that of wrk and the database. What is compared are rounds that ran next to each other,
so that whatever else the machine does weighs on both alike; the medians of their ratios are
reported, and the run fails when the rounds differ too much. In the end a service gets three times
the requests that its pool can serve (``overload.py``).

It needs Linux with two processors or more, wrk (``apt-get install wrk``) and PostgreSQL: the one of
the service's own tests, or another one that TEST_DATABASE_URL names.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.request import urlopen

import overload
from answers import WrongAnswerError, compare
from copier import run_copy

HERE = Path(__file__).parent
CASES = ("get", "list20", "list100", "nested20", "post")
CONNECTIONS = 64
POOL_SIZE = 16
WARM_UP_SECONDS = 1
START_SECONDS = 20.0

MAX_NOISE = 0.1
"""Half of the distance between the quartiles of a ratio, as a part of it, that is accepted."""

SERVER_CPU, LOAD_CPU = sorted(os.sched_getaffinity(0))[:2]
TICKS = os.sysconf("SC_CLK_TCK")

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


@dataclass(frozen=True)
class Service:
    """A rendered service with its dependencies installed."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def package(self) -> str:
        (entry_point,) = self.folder.glob("src/*/__main__.py")
        return entry_point.parent.name

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start Python in the service's environment."""
        command = [self.folder / ".venv/bin/python", *arguments]
        return subprocess.Popen(command, cwd=self.folder, text=True, **options)


@dataclass
class Server:
    """A running server and its rounds, by case."""

    name: str
    port: int
    pid: int
    rounds: dict[str, list[Round]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def processor_seconds(self) -> float:
        """Return the processor time that the process has used."""
        values = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(values[11]) + int(values[12])) / TICKS

    def peak_megabytes(self) -> float:
        """Return the most memory that the process has had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024

    def load(self, case: str, ids: Path, *, seconds: int) -> Round:
        """Send requests of one kind on many connections for some seconds."""
        tag = f"{self.name}{time.time_ns()}"
        command = [
            "taskset",
            "-c",
            str(LOAD_CPU),
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "--timeout",
            "30s",
        ]
        before = self.processor_seconds()
        output = subprocess.run(
            [*command, "-s", HERE / "load.lua", self.url, "--", case, tag, ids],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        used = self.processor_seconds() - before
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


def main() -> None:
    options = parse_options()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folders = options.service or [render(scratch / "service", options.data)]
        services = [install(folder.resolve()) for folder in folders]
        os.environ["DATABASE_URL"] = url = stack.enter_context(database(services[0]))
        ids = scratch / "ids"
        seed = services[0].start(HERE / "seed.py", services[0].package, ids)
        if seed.wait():
            sys.exit("the database could not be filled")
        user_ids = ids.read_text().split()
        servers = [stack.enter_context(serve(services[0], "limit"))]
        servers += [stack.enter_context(serve(service)) for service in services]
        servers += [stack.enter_context(serve(services[0], "naive"))]
        for case in options.cases:
            require_equal_answers(case, servers, user_ids)
            for server in servers:
                server.load(case, ids, seconds=WARM_UP_SECONDS)
            pin_database(url)
            for _ in range(options.rounds):
                for server in servers:
                    result = server.load(case, ids, seconds=options.seconds)
                    server.rounds.setdefault(case, []).append(result)
            require_equal_answers(case, servers, user_ids)
        report(servers, options.cases)
        for service in services:
            pool = {"PACKAGE": service.package, "DATABASE_POOL_SIZE": str(overload.POOL_SIZE)}
            with serve(service, "slow", **pool) as server:
                print(f"overload of {service.name}:", asyncio.run(overload.overload(server.port)))
        refuse_noise(servers)


def require_equal_answers(case: str, servers: Sequence[Server], ids: Sequence[str]) -> None:
    try:
        compare(case, {server.name: server.port for server in servers}, ids)
    except WrongAnswerError as error:
        sys.exit(str(error))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Load a service and what it is compared with.")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--rounds", type=int, default=7, help="3 at least")
    parser.add_argument("--seconds", type=int, default=2, help="of a round")
    parser.add_argument(
        "--service", type=Path, action="append", help="a folder to measure instead of a new service"
    )
    parser.add_argument(
        "--data", action="append", default=[], metavar="QUESTION=ANSWER", help="for the new service"
    )
    return parser.parse_args()


def render(folder: Path, answers: Sequence[str]) -> Path:
    data = dict(answer.split("=", 1) for answer in answers)
    run_copy(str(HERE.parent), folder, data=data, defaults=True, unsafe=True, vcs_ref="HEAD")
    return folder


def install(folder: Path) -> Service:
    """Install a service's dependencies and those of the limit."""
    subprocess.run(["uv", "sync", "--quiet"], cwd=folder, check=True)
    command = ["uv", "pip", "install", "--quiet", "--python", ".venv", "orjson", "asyncpg"]
    subprocess.run(command, cwd=folder, check=True)
    return Service(folder)


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
def serve(service: Service, bare: str | None = None, **settings: str) -> Iterator[Server]:
    """Run a service, or an application of this folder in its environment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "PORT": str(port),
        "WORKERS": "1",
        "DATABASE_POOL_SIZE": str(POOL_SIZE),
        "DRAIN_SECONDS": "0",
        **settings,
    }
    uvicorn = [
        "-m",
        "uvicorn",
        "--app-dir",
        HERE,
        "--no-access-log",
        "--port",
        str(port),
        f"{bare}:app",
    ]
    process = service.start(
        *(uvicorn if bare else ["-m", service.package]),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.sched_setaffinity(process.pid, {SERVER_CPU})
    server = Server(bare or service.name, port, process.pid)
    try:
        wait_for(server.url)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urlopen(f"{url}/users?limit=1").close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def pin_database(url: str) -> None:
    """Keep the server processes of the database's connections off the servers' processor."""
    name = url.rpartition("/")[2].partition("?")[0]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            title = (process / "cmdline").read_text().split()
            if title[:1] == ["postgres:"] and name in title:
                os.sched_setaffinity(int(process.name), {LOAD_CPU})


def report(servers: Sequence[Server], cases: Sequence[str]) -> None:
    """Print the medians, and the shares of the limit with the noise in them."""
    for case in cases:
        print(f"\n{case:<12}  requests/s   CPU us   p50 ms  p99/p50    of limit      by CPU")
        for server in servers:
            rounds = server.rounds[case]
            by_rate, by_cost = shares(server, servers[0], case)
            print(
                f"  {server.name:<12}{median(r.rate for r in rounds):>10.0f}"
                f"{median(r.cost for r in rounds):>9.0f}{median(r.p50 for r in rounds):>9.1f}"
                f"{median(r.p99 / r.p50 for r in rounds):>9.2f}  {by_rate}  {by_cost}"
            )
    print("\npeak memory:", ", ".join(f"{s.name} {s.peak_megabytes():.0f} MB" for s in servers))


@dataclass(frozen=True)
class Share:
    """A median of ratios, and half of the distance between their quartiles as a part of it."""

    median: float
    noise: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> "Share":
        low, middle, high = quantiles(ratios, n=4)
        return cls(middle, (high - low) / 2 / middle)

    def __str__(self) -> str:
        return f"{self.median:5.3f} ±{self.noise:4.0%}"


def shares(server: Server, limit: Server, case: str) -> tuple[Share, Share]:
    """Compare a server with the limit, round by round: by requests a second and by their cost."""
    pairs = list(zip(server.rounds[case], limit.rounds[case], strict=True))
    by_rate = Share.of([own.rate / best.rate for own, best in pairs])
    by_cost = Share.of([best.cost / own.cost for own, best in pairs])
    return by_rate, by_cost


def refuse_noise(servers: Sequence[Server]) -> None:
    limit, *others = servers
    noise = max(
        share.noise
        for server in others
        for case in server.rounds
        for share in shares(server, limit, case)
    )
    if noise > MAX_NOISE:
        sys.exit(f"the noise is {noise:.0%}: these numbers mean nothing, measure again in peace")


if __name__ == "__main__":
    main()
