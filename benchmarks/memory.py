"""What a worker takes of memory: after its start, under load, and for idle connections.

    uv run python benchmarks/memory.py

PSS counts a page that several processes share in parts; RSS counts it for each of them. The bare
driver's and the naive application's processes are measured alike, since most of the memory is
Python's and the libraries' own.
"""

import argparse
import resource
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from harness import Server, Setting, add_options, prepared, serve

REQUEST = b"GET /users?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
SPARE_FILES = 200
"""What a process opens besides the connections, with a good margin."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the memory of a worker.")
    parser.add_argument("--connections", type=int, default=3000, help="idle ones, at most")
    add_options(parser)
    options = parser.parse_args()
    number = min(options.connections, raise_file_limit() - SPARE_FILES)
    if number < options.connections:
        print(f"the limit of open files allows {number} connections")
    with prepared(options) as setting:
        print(f"{'MB':<12}{'start':>16}{'loaded':>16}{'per 1,000 idle connections':>30}")
        print(f"{'':<12}{'RSS     PSS':>16}{'RSS     PSS':>16}{'RSS     PSS':>30}")
        for bare in ("limit", None, "naive"):
            measure(setting, bare, number)
        measure_two(setting)


def raise_file_limit() -> int:
    """Allow as many open files as may be, here and in what is started from here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def measure(setting: Setting, bare: str | None, number: int) -> None:
    with serve(setting.services[0], bare) as server:
        start = memory(server.pid)
        server.load("list20", setting.ids, seconds=2)
        loaded = memory(server.pid)
        with ExitStack() as connections:
            for _ in range(number):
                connections.enter_context(connect(server))
            idle = memory(server.pid)
            if len(list(Path(f"/proc/{server.pid}/fd").iterdir())) < number:
                sys.exit(f"{server.name} has closed connections")
    pairs = zip(idle, loaded, strict=True)
    grown = [(after - before) * 1000 / number for after, before in pairs]
    print(f"{server.name:<12}{pair(start):>16}{pair(loaded):>16}{pair(grown):>30}")


def measure_two(setting: Setting) -> None:
    """Look at two workers and their supervisor, which share what they can."""
    with serve(setting.services[0], WORKERS="2") as server:
        for pid in server.pids():
            name = "supervisor" if pid == server.pid else "  its child"
            print(f"{name:<12}{pair(memory(pid)):>16}")


def memory(pid: int) -> list[float]:
    """Return the RSS and the PSS of a process in megabytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split()[0]: int(line.split()[1]) for line in lines}
    return [kilobytes[name] / 1024 for name in ("Rss:", "Pss:")]


def connect(server: Server) -> socket.socket:
    """Open a connection that has served a request and is kept."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(REQUEST)
    if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
        sys.exit(f"{server.name} does not serve a connection")
    return connection


def pair(values: list[float]) -> str:
    return f"{values[0]:.1f} {values[1]:>7.1f}"


if __name__ == "__main__":
    main()
