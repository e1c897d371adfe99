"""What the rounds of ``run.py`` say: shares of the limit, the noise in them, and two tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median, quantiles

from harness import ROWS, Server

CASE_TITLES = {
    "get": "get",
    "list20": "list 20",
    "list100": "list 100",
    "nested20": "20 with orders",
    "post": "POST",
}

TITLES = ROWS | {"peer": "a project of fastapi_template"}

HEADINGS = (
    "  requests/s   CPU us   p50 ms  p99/p50    of limit      by CPU  statements  round trips"
)


@dataclass(frozen=True)
class Traffic:
    """What a request sends to the database, on average."""

    statements: float
    round_trips: float

    def __str__(self) -> str:
        return f"{self.statements:>12.4g}{self.round_trips:>13.4g}"


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


@dataclass(frozen=True)
class Row:
    """A server with what was found out about it besides its rounds."""

    server: Server
    traffic: dict[str, Traffic]
    memory: float
    """Megabytes, at most."""

    @property
    def title(self) -> str:
        return TITLES.get(self.server.name, self.server.name)


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


def print_details(rows: Sequence[Row], cases: Sequence[str]) -> None:
    """Print the medians of each case, and the shares of the limit with the noise in them."""
    limit = rows[0].server
    for case in cases:
        print(f"\n{case:<18}{HEADINGS}")
        for row in rows:
            if case not in row.server.rounds:
                continue
            rounds = row.server.rounds[case]
            by_rate, by_cost = shares(row.server, limit, case)
            print(
                f"  {row.server.name:<16}{median(r.rate for r in rounds):>10.0f}"
                f"{median(r.cost for r in rounds):>9.0f}{median(r.p50 for r in rounds):>9.1f}"
                f"{median(r.p99 / r.p50 for r in rounds):>9.2f}"
                f"  {by_rate}  {by_cost}{row.traffic.get(case, '')}"
            )


def print_table(rows: Sequence[Row], cases: Sequence[str], overload: dict[str, str]) -> None:
    """Print one table of all, in Markdown: the one of the README.

    It has the range of p99/p50, and the statements that a request of each case sends.
    """
    titles = [CASE_TITLES[case] for case in cases]
    print_row("requests/s, of the limit", *titles, "p99/p50", "statements", "memory", "overload")
    print("|---" * (len(cases) + 5) + "|")
    limit = rows[0].server
    for row in rows:
        print_row(
            row.title,
            *(cell(row.server, limit, case) for case in cases),
            tail(row.server),
            ", ".join(f"{row.traffic[case].statements:.3g}" for case in cases if row.traffic),
            f"{row.memory:.0f} MB",
            overload.get(row.server.name, ""),
        )


def print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |".replace("|  |", "| |"))


def cell(server: Server, limit: Server, case: str) -> str:
    if case not in server.rounds:
        return ""
    if server is limit:
        return f"1 ({median(r.rate for r in server.rounds[case]):,.0f}/s)"
    return f"{shares(server, limit, case)[0].median:.2f}".removeprefix("0")


def tail(server: Server) -> str:
    """Return the range of p99/p50 over the cases."""
    ratios = [median(r.p99 / r.p50 for r in rounds) for rounds in server.rounds.values()]
    return " to ".join(sorted({f"{ratio:.1f}" for ratio in (min(ratios), max(ratios))}, key=float))
