"""How many instructions of the processor a request takes, as a share of the bare driver's.

    uv run python benchmarks/instructions.py
    uv run python benchmarks/instructions.py --rows fast default --cases get list20
    uv run python benchmarks/instructions.py --service ../before --service ../after

runs the servers of ``run.py`` in valgrind, one after another, which counts what a process executes
outside the kernel, whatever else the machine does. So it tells by how much a change makes a request
cheaper where the clock cannot: two counts of the same server differ by about 1 %. It is no
time: much code that runs once a request waits for memory more often than little code that runs in
a loop.

The variants of the service have shares to keep (``TARGETS``), and it ends with an error if one has
less. It needs valgrind (``apt-get install valgrind``) and a database, like ``run.py``.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import chart
from answers import Client
from harness import BASE, ROWS, VARIANTS, Contender, Setting, add_rows, prepared, serve

WARM_UP = 60
"""Requests of a case before those that are counted: until Python has specialized its code."""

COUNTED = 100
POOL_SIZE = "2"
"""Requests come one after another, and each new connection would prepare its statements."""

DUMP_SECONDS = 60

TARGETS = {
    "fast": {"get": 0.64, "list20": 0.78, "list100": 0.95, "nested20": 0.90, "post": 0.56},
    "default": {"get": 0.18, "list20": 0.20, "list100": 0.25, "nested20": 0.18, "post": 0.11},
}
"""What each variant of the service has of the limit at least, on asyncpg, in two decimals."""

CHART_TITLE = "Instructions of a request, as a share of the limit: more is faster"

Counts = dict[str, float]
"""Instructions of a request by case."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Count the instructions of a request.")
    add_rows(parser)
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the shares")
    parser.add_argument("--requests", type=int, default=COUNTED, help="to count of each case")
    options = parser.parse_args()
    with prepared(options, *(row for row in options.rows if row in VARIANTS)) as setting:
        heading(options.cases)
        limit: Counts = {}
        below: list[str] = []
        found: dict[str, dict[str, float]] = {case: {} for case in options.cases}
        for contender in setting.contenders(options.rows):
            counts = count(contender, setting, options.cases, options.requests)
            is_limit = not limit
            limit = limit or counts
            shares = {case: limit[case] / counts[case] for case in options.cases}
            report(contender.name, counts, shares)
            if not is_limit:
                for case, share in shares.items():
                    found[case][ROWS.get(contender.name, contender.name)] = share
            if "+asyncpg" in setting.url:
                below += missed(contender.name, shares)
    if options.chart:
        names = list(next(iter(found.values())))
        options.chart.write_text(chart.svg(CHART_TITLE, BASE, names, found), "utf-8")
    if below:
        sys.exit("\n".join(["", *below]))


def heading(cases: Sequence[str]) -> None:
    print(f"{'instructions a request, and share of the ' + BASE:<52}")
    print(f"{'':<18}" + "".join(f"{case:>18}" for case in cases), flush=True)


def report(name: str, counts: Counts, shares: dict[str, float]) -> None:
    columns = (f"{counts[case]:>12,.0f} {share:.3f}" for case, share in shares.items())
    print(f"{name:<18}" + "".join(columns), flush=True)


def missed(name: str, shares: dict[str, float]) -> list[str]:
    """Say which shares are below what the variant of the service has to keep."""
    targets = TARGETS.get(name, {})
    return [
        f"{ROWS[name]} has {shares[case]:.3f} of the {BASE}, not {target}: {case}"
        for case, target in targets.items()
        if case in shares and round(shares[case], 2) < target
    ]


def count(contender: Contender, setting: Setting, cases: Sequence[str], requests: int) -> Counts:
    """Count what a server executes for a request of each case, one after another."""
    counts: Counts = {}
    with tempfile.TemporaryDirectory() as folder:
        dumps = Path(folder, "counts")
        valgrind = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={dumps}",
        ]
        with serve(
            contender.service,
            contender.bare or "counted",
            under=valgrind,
            DATABASE_POOL_SIZE=POOL_SIZE,
            # The order of what is in a set, and so the way through it, is the same in each run.
            PYTHONHASHSEED="0",
        ) as server:
            client = Client(server.port, setting.user_ids)
            for number, case in enumerate(cases, start=1):
                for _ in range(WARM_UP):
                    client.send(case)
                control(server.pid, "--instr=on")
                for _ in range(requests):
                    client.send(case)
                control(server.pid, "--instr=off")
                control(server.pid, "--dump")
                counts[case] = total(dumps.with_name(f"counts.{number}")) / requests
            client.connection.close()
    return counts


def control(pid: int, command: str) -> None:
    """Have valgrind do something, when the process next runs."""
    subprocess.run(["callgrind_control", command, str(pid)], check=True, capture_output=True)


def total(dump: Path) -> int:
    """Return the sum of a dump, which is there when the process has run again."""
    deadline = time.monotonic() + DUMP_SECONDS
    while time.monotonic() < deadline:
        text = dump.read_text() if dump.exists() else ""
        found = re.findall(r"^totals: (\d+)$", text, re.MULTILINE)
        if found:
            return int(found[0])
        time.sleep(0.1)
    sys.exit("valgrind has not written its counts")


if __name__ == "__main__":
    main()
