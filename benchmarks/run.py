"""How fast a rendered service is, as a share of what the driver alone can do.

    uv run python benchmarks/run.py
    uv run python benchmarks/run.py --cases get list20 --rounds 9
    uv run python benchmarks/run.py --service ../before --service ../after

renders the service through Copier, installs it, fills a database with 10,000 users of 5 orders
each, and loads four servers by turns, a short round each: ``limit.py`` (the bare driver), the
service as it runs in production with one worker, the same with its users answered through sessions
(``ordinary.py``), and ``naive.py``. One processor is the servers', another one that of wrk and the
database. What is compared are rounds that ran next to each other, so that whatever else the machine
does weighs on both alike. The medians of their ratios are reported; a case has more rounds until
their standard errors are small, and the run fails if they are not in the end. Before, the
statements and round trips of a request are counted on the way to the database (``proxy.py``). In
the end a service gets three times the requests that its pool can serve (``overload.py``).

It needs Linux with two processors or more, wrk (``apt-get install wrk``) and a database: the one of
the service's own tests, or another one that TEST_DATABASE_URL names. ``--data
database_driver=psycopg`` (or ``asyncmy``, ``aiosqlite``) measures another driver by a limit of its
own (``raw_*.py``). A database that runs in the servers themselves, as SQLite does, has no
processor of its own, and no messages to count.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import sqrt
from statistics import median, quantiles

import overload
import peer
from answers import Client, WrongAnswerError, compare
from harness import (
    CASES,
    WARM_UP_SECONDS,
    Server,
    Service,
    Setting,
    add_options,
    pin_database,
    prepared,
    serve,
)
from proxy import counting

MAX_CONNECTIONS = 80
"""Of the limit and the services, to a database that allows 100; the naive one has 15."""

SETTLE_SECONDS = 0.05
"""Less than what makes a service try its idle connections."""

COUNT_AFTER = 40
COUNTED = 20
"""Requests whose statements are counted; those of COUNT_AFTER come before them."""

MIN_ROUNDS = 3
MAX_NOISE = 0.05
"""The standard error of the median of a ratio, as a fraction of it, that is accepted."""

MAX_BLOCKS = 3
"""How many times the rounds of a case are run at most to get there."""


def main() -> None:
    options = parse_options()
    with prepared(options) as setting, ExitStack() as stack:
        contenders = [
            Contender(setting.services[0], "limit"),
            *map(Contender, setting.services),
            Contender(setting.services[0], "ordinary"),
            Contender(setting.services[0], "naive"),
        ]
        # One after another, since all of them together have as many connections as there may be.
        traffic = [count_traffic(each, setting, options.cases) for each in contenders]
        # The services and the ordinary one have two pools each, the limit has one.
        pool_size = MAX_CONNECTIONS // (2 * len(setting.services) + 3)
        servers = [
            stack.enter_context(serve(each.service, each.bare, DATABASE_POOL_SIZE=str(pool_size)))
            for each in contenders
        ]
        peers = [stack.enter_context(peer.serve(setting.url))] if options.peer else []
        for case in options.cases:
            loaded = servers + [server for server in peers if case in peer.CASES]
            require_equal_answers(case, servers, setting.user_ids)
            load_by_turns(loaded, case, setting, options)
            require_equal_answers(case, servers, setting.user_ids)
        servers += peers
        report(servers, [*traffic, {}], options.cases)
        stack.close()
        # SQLite has nothing that waits.
        overloaded = [] if setting.url.startswith("sqlite") else setting.services
        for service in overloaded:
            with serve(service, "slow", DATABASE_POOL_SIZE=str(overload.POOL_SIZE)) as server:
                print(f"overload of {service.name}:", asyncio.run(overload.overload(server.port)))
        refuse_noise(servers, options.cases)


@dataclass(frozen=True)
class Contender:
    """A service, or an application of this folder that runs in its environment."""

    service: Service
    bare: str | None = None


@dataclass(frozen=True)
class Traffic:
    """What a request sends to the database, on average."""

    statements: float
    round_trips: float

    def __str__(self) -> str:
        return f"{self.statements:>12.4g}{self.round_trips:>13.4g}"


def count_traffic(
    contender: Contender, setting: Setting, cases: Sequence[str]
) -> dict[str, Traffic]:
    """Count through a proxy what requests of each case send, one after another."""
    traffic: dict[str, Traffic] = {}
    with counting(setting.url) as proxy:
        if not proxy:
            return traffic
        with serve(contender.service, contender.bare, DATABASE_URL=proxy.url) as server:
            client = Client(server.port, setting.user_ids)
            for case in cases:
                # Until all connections have prepared their statements.
                send(client, case, COUNT_AFTER)
                before = replace(proxy.counts)
                send(client, case, COUNTED)
                traffic[case] = Traffic(
                    (proxy.counts.statements - before.statements) / COUNTED,
                    (proxy.counts.round_trips - before.round_trips) / COUNTED,
                )
            client.connection.close()
    return traffic


def send(client: Client, case: str, number: int) -> None:
    for _ in range(number):
        client.send(case)
    # Some commit when the answer is sent already.
    time.sleep(SETTLE_SECONDS)


def load_by_turns(
    servers: Sequence[Server], case: str, setting: Setting, options: argparse.Namespace
) -> None:
    for server in servers:
        server.load(case, setting.ids, seconds=WARM_UP_SECONDS)
    pin_database(setting.url)
    for _ in range(MAX_BLOCKS):
        for _ in range(options.rounds):
            for server in servers:
                result = server.load(case, setting.ids, seconds=options.seconds)
                server.rounds.setdefault(case, []).append(result)
        if noise(servers, case) <= MAX_NOISE:
            break


def require_equal_answers(case: str, servers: Sequence[Server], ids: Sequence[str]) -> None:
    try:
        compare(case, {server.name: server.port for server in servers}, ids)
    except WrongAnswerError as error:
        sys.exit(str(error))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Load a service and what it is compared with.")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--rounds", type=int, default=8, help=f"of a case; {MIN_ROUNDS} at least")
    parser.add_argument("--seconds", type=int, default=2, help="of a round")
    add_options(parser)
    parser.add_argument(
        "--peer", action="store_true", help="load a project of fastapi_template, too (peer.py)"
    )
    options = parser.parse_args()
    if options.rounds < MIN_ROUNDS:
        parser.error(f"--rounds must be {MIN_ROUNDS} at least")
    return options


HEADINGS = (
    "  requests/s   CPU us   p50 ms  p99/p50    of limit      by CPU  statements  round trips"
)


def report(
    servers: Sequence[Server], traffic: Sequence[dict[str, Traffic]], cases: Sequence[str]
) -> None:
    """Print the medians, and the shares of the limit with the noise in them."""
    for case in cases:
        print(f"\n{case:<12}{HEADINGS}")
        for server, sent in zip(servers, traffic, strict=False):
            if case not in server.rounds:
                continue
            rounds = server.rounds[case]
            by_rate, by_cost = shares(server, servers[0], case)
            print(
                f"  {server.name:<12}{median(r.rate for r in rounds):>10.0f}"
                f"{median(r.cost for r in rounds):>9.0f}{median(r.p50 for r in rounds):>9.1f}"
                f"{median(r.p99 / r.p50 for r in rounds):>9.2f}"
                f"  {by_rate}  {by_cost}{sent.get(case, '')}"
            )
    print("\npeak memory:", ", ".join(f"{s.name} {s.peak_megabytes():.0f} MB" for s in servers))


@dataclass(frozen=True)
class Share:
    """A median of ratios, and its standard error as a fraction of it.

    The error is that of the notches of a box plot: McGill, Tukey and Larsen, Variations of Box
    Plots, The American Statistician 32 (1978), page 16.
    """

    median: float
    noise: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> "Share":
        low, middle, high = quantiles(ratios, n=4)
        return cls(middle, 1.25 * (high - low) / 1.35 / sqrt(len(ratios)) / middle)

    def __str__(self) -> str:
        return f"{self.median:5.3f} ±{self.noise:4.0%}"


def shares(server: Server, limit: Server, case: str) -> tuple[Share, Share]:
    """Compare a server with the limit, round by round: by requests a second and by their cost."""
    pairs = list(zip(server.rounds[case], limit.rounds[case], strict=True))
    by_rate = Share.of([own.rate / best.rate for own, best in pairs])
    by_cost = Share.of([best.cost / own.cost for own, best in pairs])
    return by_rate, by_cost


def noise(servers: Sequence[Server], case: str) -> float:
    """Return the largest noise of a case, in the ratio of any server to the limit."""
    limit, *others = [server for server in servers if case in server.rounds]
    return max(share.noise for server in others for share in shares(server, limit, case))


def refuse_noise(servers: Sequence[Server], cases: Sequence[str]) -> None:
    highest = max(noise(servers, case) for case in cases)
    if highest > MAX_NOISE:
        sys.exit(
            f"the noise is {highest:.1%}, more than {MAX_NOISE:.0%}: these numbers mean nothing, "
            "measure again in peace"
        )


if __name__ == "__main__":
    main()
