"""What a second worker brings: two on two processors against one on one of them.

    uv run python benchmarks/workers.py

The database and wrk take their share of the same processors, and with two workers they take it
from the service. So requests a second of the clock say what this machine can do as a whole.
Requests per second of the service's own processor time say whether a worker becomes more expensive
when there is another one; what the database and wrk use is counted by itself.
"""

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from harness import (
    CPUS,
    LOAD_CPUS,
    WARM_UP_SECONDS,
    Server,
    Setting,
    add_options,
    database_pids,
    pin_database,
    prepared,
    processor_seconds,
    serve,
)

SETTLE_SECONDS = 0.5
CASES = ("get", "list20", "nested20", "post")


@dataclass(frozen=True)
class Usage:
    """What one round took, in requests a second and seconds of a processor a second."""

    rate: float
    service: float
    database: float
    wrk: float

    @property
    def per_processor_second(self) -> float:
        """Requests per second of processor time of the service."""
        return self.rate / self.service


def main() -> None:
    parser = argparse.ArgumentParser(description="Load a service with one worker and with two.")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of a round")
    add_options(parser)
    options = parser.parse_args()
    with prepared(options) as setting:
        print(f"{'':<22}requests per second of{'':>14}processors used by")
        print(
            f"{'':<12}workers   the clock  of one  service CPU  of one"
            f"{'service':>12}{'database':>10}{'wrk':>6}"
        )
        for case in options.cases:
            rounds = [measure(setting, case, options.seconds) for _ in range(options.rounds)]
            report(case, rounds)


def measure(setting: Setting, case: str, seconds: int) -> list[Usage]:
    """Load a service with one worker and then with two, each with the same pool."""
    service = setting.services[0]
    with serve(service, WORKERS="1") as server:
        settle(server)
        server.load(case, setting.ids, seconds=WARM_UP_SECONDS)
        pin_database(setting.url)
        first = use(server, case, setting, seconds, LOAD_CPUS)
    cpus = sorted(CPUS)[:2]
    with serve(service, cpus=cpus, WORKERS="2") as server:
        settle(server)
        server.load(case, setting.ids, seconds=WARM_UP_SECONDS)
        return [first, use(server, case, setting, seconds, frozenset(cpus))]


def settle(server: Server) -> None:
    """Wait until all workers have started, or the first would get all connections."""
    used = 0.0
    while (now := server.processor_seconds()) > used:
        used = now
        time.sleep(SETTLE_SECONDS)


def use(server: Server, case: str, setting: Setting, seconds: int, cpus: frozenset[int]) -> Usage:
    """Load a server and say what everybody used meanwhile."""
    pids = database_pids(setting.url)
    database, service, wrk = processor_seconds(pids), server.processor_seconds(), children_seconds()
    rate = server.load(case, setting.ids, seconds=seconds, cpus=cpus).rate
    return Usage(
        rate,
        (server.processor_seconds() - service) / seconds,
        (processor_seconds(pids) - database) / seconds,
        (children_seconds() - wrk) / seconds,
    )


def children_seconds() -> float:
    """Return the processor time of the programs that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(case: str, rounds: Sequence[Sequence[Usage]]) -> None:
    for number in (0, 1):
        usages = [usages[number] for usages in rounds]
        pairs = list(zip(usages, (usages[0] for usages in rounds), strict=True))
        rate = median(own.rate / one.rate for own, one in pairs)
        cost = median(own.per_processor_second / one.per_processor_second for own, one in pairs)
        print(
            f"{case:<12}{number + 1:>7}{median(u.rate for u in usages):>12.0f}{rate:>8.2f}"
            f"{median(u.per_processor_second for u in usages):>13.0f}{cost:>8.2f}"
            f"{median(u.service for u in usages):>12.2f}{median(u.database for u in usages):>10.2f}"
            f"{median(u.wrk for u in usages):>6.2f}"
        )


if __name__ == "__main__":
    main()
