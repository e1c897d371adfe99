"""How many instructions of the processor a request takes, as a share of the bare driver's.

    uv run python benchmarks/instructions.py
    uv run python benchmarks/instructions.py --service ../before --service ../after

runs the servers of ``run.py`` in valgrind, which counts what a process executes outside the kernel,
whatever else the machine does. So it tells by how much a change makes a request cheaper where the
clock cannot: two counts of the same server differ by less than 1 %. It is no time: much code that
runs once a request waits for memory more often than little code that runs in a loop.

It needs valgrind (``apt-get install valgrind``) and a database, like ``run.py``.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

from answers import Client
from harness import CASES, Service, Setting, add_options, prepared, serve

WARM_UP = 200
COUNTED = 400


def main() -> None:
    parser = argparse.ArgumentParser(description="Count the instructions of a request.")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    add_options(parser)
    options = parser.parse_args()
    with prepared(options) as setting:
        first = setting.services[0]
        servers = [(first, "limit"), *[(service, None) for service in setting.services]]
        servers.append((first, "ordinary"))
        for case in options.cases:
            print(f"\n{case:<12}instructions a request    of limit")
            counts = [count(service, bare, case, setting) for service, bare in servers]
            for (service, bare), instructions in zip(servers, counts, strict=True):
                share = counts[0] / instructions
                print(f"  {bare or service.name:<12}{instructions:>20,.0f}{share:>12.3f}")


def count(service: Service, bare: str | None, case: str, setting: Setting) -> float:
    """Count what a server executes for a request of the case, one after another."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder, "counts")
        valgrind = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={counts}",
        ]
        with serve(service, bare, under=valgrind) as server:
            client = Client(server.port, setting.user_ids)
            for _ in range(WARM_UP):
                client.send(case)
            watch(server.pid, "on")
            for _ in range(COUNTED):
                client.send(case)
            watch(server.pid, "off")
            client.connection.close()
        # It is written when the process has ended.
        (total,) = re.findall(r"^totals: (\d+)$", counts.read_text(), re.MULTILINE)
        return int(total) / COUNTED


def watch(pid: int, state: str) -> None:
    """Let valgrind begin to count, or end."""
    command = ["callgrind_control", "--instr=" + state, str(pid)]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
