"""How fast a rendered service is, as a share of what the driver alone can do.

    uv run python benchmarks/run.py
    uv run python benchmarks/run.py --cases get list20 --rows fast default
    uv run python benchmarks/run.py --peer --rows fast default
    uv run python benchmarks/run.py --service ../before --service ../after

renders the service through Copier, with fast paths and by default, installs it, fills a database
with 10,000 users of 5 orders each, and loads five servers by turns, a short round each:
``limit.py`` (the bare driver), ``fastapi_asyncpg.py`` (FastAPI on it), both services as they run in
production with one worker, and ``naive.py``. One processor is the servers', another one that of wrk
and the database. What is compared are rounds that ran next to each other, so that whatever else the
machine does weighs on both alike. The medians of their ratios are reported; a case has more rounds
until their standard errors are small, and the run fails if they are not in the end. Before, the
statements and round trips of a request are counted on the way to the database (``proxy.py``). In
the end a service gets three times the requests that its pool can serve (``overload.py``). A run of
everything draws the shares (``speed.svg``, by ``chart.py``).

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
from dataclasses import replace
from pathlib import Path

import chart
import overload
import peer
from answers import Client, WrongAnswerError, compare
from harness import (
    BASE,
    CASES,
    HERE,
    POOL_SIZE,
    ROWS,
    VARIANTS,
    WARM_UP_SECONDS,
    Contender,
    Server,
    Setting,
    add_rows,
    pin_database,
    prepared,
    serve,
)
from proxy import counting
from report import Row, Traffic, noise, print_details, print_table

MAX_CONNECTIONS = 95
"""Of all together, to a database that allows 100."""

MIN_POOL = 11
"""With fewer, the gate of a service refuses some of as many requests as wrk sends at once."""

OTHER_POOL = 15
"""Connections of the naive application, and of the peer, which have pools of their own size."""

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
    with prepared(options, *(row for row in options.rows if row in VARIANTS)) as setting:
        contenders = setting.contenders(options.rows)
        # One after another, since all of them together have as many connections as there may be.
        traffic = [count_traffic(each, setting, options.cases) for each in contenders]
        rows = load(contenders, traffic, setting, options)
        print_details(rows, options.cases)
        print()
        print_table(rows, options.cases, overload_services(setting))
        refuse_noise(rows, options.cases)
    if options.chart:
        chart.write(options.chart, rows, options.cases)


def load(
    contenders: Sequence[Contender],
    traffic: Sequence[dict[str, Traffic]],
    setting: Setting,
    options: argparse.Namespace,
) -> list[Row]:
    """Start all servers and load them with each case by turns."""
    size = str(pool_size(setting, options))
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serve(each.service, each.bare, DATABASE_POOL_SIZE=size))
            for each in contenders
        ]
        peers = [stack.enter_context(peer.serve(setting.url))] if options.peer else []
        for case in options.cases:
            loaded = servers + [server for server in peers if case in peer.CASES]
            require_equal_answers(case, servers, setting.user_ids)
            load_by_turns(loaded, case, setting, options)
            require_equal_answers(case, servers, setting.user_ids)
        known = [*traffic, *({} for _ in peers)]
        pairs = zip(servers + peers, known, strict=True)
        return [Row(server, sent, server.peak_megabytes()) for server, sent in pairs]


def pool_size(setting: Setting, options: argparse.Namespace) -> int:
    """Return the size of a pool: a service has two and a connection for its readiness."""
    others = int("naive" in options.rows) + int(options.peer)
    left = MAX_CONNECTIONS - others * OTHER_POOL - len(setting.services)
    bare = 1 + int("fastapi_asyncpg" in options.rows)
    size = min(POOL_SIZE, left // (2 * len(setting.services) + bare))
    if size < MIN_POOL:
        sys.exit("the database has too few connections for so many: try --rows fast default")
    return size


def overload_services(setting: Setting) -> dict[str, str]:
    """Send each service too many requests; return what became of them."""
    results: dict[str, str] = {}
    # SQLite has nothing that waits.
    for service in [] if setting.url.startswith("sqlite") else setting.services:
        with serve(service, "slow", DATABASE_POOL_SIZE=str(overload.POOL_SIZE)) as server:
            outcome = asyncio.run(overload.overload(server.port))
        print(f"overload of {service.name}: {outcome}")
        results[service.name] = outcome.summary
    return results


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
    add_rows(parser)
    parser.add_argument("--rounds", type=int, default=8, help=f"of a case; {MIN_ROUNDS} at least")
    parser.add_argument("--seconds", type=int, default=2, help="of a round")
    parser.add_argument(
        "--peer", action="store_true", help="load a project of fastapi_template, too (peer.py)"
    )
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", help="to draw; that of the README if all is measured"
    )
    options = parser.parse_args()
    if options.rounds < MIN_ROUNDS:
        parser.error(f"--rounds must be {MIN_ROUNDS} at least")
    is_all = {*CASES, *ROWS} == {*options.cases, *options.rows, BASE}
    if is_all and not options.service and not options.data:
        options.chart = options.chart or HERE / "speed.svg"
    return options


def refuse_noise(rows: Sequence[Row], cases: Sequence[str]) -> None:
    highest = max(noise([row.server for row in rows], case) for case in cases)
    if highest > MAX_NOISE:
        sys.exit(
            f"the noise is {highest:.1%}, more than {MAX_NOISE:.0%}: these numbers mean nothing, "
            "measure again in peace"
        )


if __name__ == "__main__":
    main()
