"""Telemetry: what alerts and the dashboard ask of the metrics, and from where on it is too much.

Globals: `limits`, the `Limits`; `queries`, which returns the `Queries` of a service; `dashboard`,
which returns the dashboard of Grafana as JSON.

The rules of Prometheus and the panels ask by the same expressions and have the same limits, so that
the line in a panel is where its alert begins.

Errors are told by how fast they use up what an objective allows: at a burn rate of 1 it is used up
at the end of its 30 days. Each of `burns` asks for a long window, so that enough is lost to care,
and for a short one, so that the alert ends soon after the errors do:
https://sre.google/workbook/alerting-on-slos/#6-multiwindow-multi-burn-rate-alerts

This file imports nothing from its siblings: on `copier update` the old and the new version of it
run in one process, and a sibling would be served from the wrong one's module cache.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2.ext import Extension

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jinja2 import Environment

REQUESTS = "http_server_request_duration_seconds"
UPSTREAM = "http_client_request_duration_seconds"
DELAY = "event_loop_delay_seconds"
WAIT = "db_client_connection_wait_time_seconds"
HELD = "db_client_connection_use_seconds_total"
USES = "db_client_connection_uses_total"

POOL = "db_client_connection_pool_name"
STATUS = "http_response_status_code"
ROUTE = "http_route"

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""Over which errors are counted: those of the burn rates."""


@dataclass(frozen=True, kw_only=True)
class Burn:
    """A burn rate that is too high when both windows have it."""

    rate: float
    long: str
    short: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on something is too much. Times are in seconds."""

    pool_used: float = 0.7
    pool_used_critical: float = 0.9
    wait: float = 0.1
    wait_share: float = 0.05
    """The share of sessions that wait for longer; 0.05 makes `wait` the 95th percentile."""
    wait_critical: float = 1.0
    wait_critical_share: float = 0.01
    event_loop_delay: float = 0.1
    objective: float = 0.999
    """The share of requests that the service answers without an error of its own."""
    burns: tuple[Burn, ...] = (
        Burn(rate=3, long="1d", short="2h"),
        Burn(rate=1, long="3d", short="6h"),
    )
    burns_critical: tuple[Burn, ...] = (
        Burn(rate=14.4, long="1h", short="5m"),
        Burn(rate=6, long="6h", short="30m"),
    )

    @property
    def budget(self) -> float:
        """The share of requests that may fail."""
        return round(1 - self.objective, 6)


LIMITS = Limits()


class Queries:
    """Expressions of Prometheus for one service, by the labels that select its series."""

    windows = WINDOWS

    def __init__(self, job: str, *labels: str) -> None:
        self._selector = ", ".join((f'job="{job}"', *labels))

    def series(self, name: str, *labels: str) -> str:
        """Return a metric of the service."""
        return f"{name}{{{', '.join((self._selector, *labels))}}}"

    def rate(self, name: str, *labels: str, by: str = "", window: str = "5m") -> str:
        """Return how much a counter grows in a second."""
        grouped = f"sum by ({by})" if by else "sum"
        return f"{grouped} (rate({self.series(name, *labels)}[{window}]))"

    def quantile(self, share: float, histogram: str, *labels: str, by: str) -> str:
        """Return what a share of the observations of 5 minutes does not exceed."""
        buckets = self.rate(f"{histogram}_bucket", *labels, by=f"le, {by}")
        return f"histogram_quantile({share}, {buckets})"

    @property
    def pool_used(self) -> str:
        """The share of a pool's connections that were in use, on average of 5 minutes."""
        most = f"sum by (instance, {POOL}) ({self.series('db_client_connection_max')})"
        return f"{self.rate(HELD, by=f'instance, {POOL}')}\n/ {most}"

    @property
    def held(self) -> str:
        """How long a session has its connection, on average of 5 minutes."""
        by = f"instance, {POOL}"
        return f"{self.rate(HELD, by=by)}\n/ {self.rate(USES, by=by)}"

    def waited(self, seconds: float) -> str:
        """The share of sessions that waited longer for their connection, in 5 minutes.

        The histogram has those that had to wait, and not the others.
        """
        by = f"instance, {POOL}"
        waits, short = (
            self.rate(f"{WAIT}_count", by=by),
            self.rate(f"{WAIT}_bucket", f'le="{seconds}"', by=by),
        )
        return f"({waits}\n- {short})\n/ {self.rate(USES, by=by)}"

    @property
    def event_loop_delay(self) -> str:
        """How late the event loop reacts in 1 of 100 cases."""
        return self.quantile(0.99, DELAY, by="instance")

    def errors(self, window: str) -> str:
        """The share of requests that were answered by an error of the service."""
        failed = self.rate(f"{REQUESTS}_count", f'{STATUS}=~"5.."', window=window)
        return f"{failed}\n/ {self.rate(f'{REQUESTS}_count', window=window)}"

    def burnt(self, burns: Sequence[Burn]) -> str:
        """Whether errors use up the budget at one of the rates, in both of its windows."""

        def exceeds(burn: Burn, window: str) -> str:
            ratio = self.series(f"job:http_server_errors:ratio_rate{window}")
            return f"{ratio} > {burn.rate} * {LIMITS.budget}"

        return "\nor ".join(
            f"({exceeds(burn, burn.long)}\nand {exceeds(burn, burn.short)})" for burn in burns
        )


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel of the dashboard: what it shows, each with its legend, and from where on it is bad.

    A unit is one of Grafana's.
    """

    title: str
    help: str
    unit: str
    shows: Sequence[tuple[str, str]]
    limits: Sequence[float] = ()
    most: float | None = None
    """The upper end of the axis."""


def traffic(queries: Queries) -> Iterator[Panel]:
    """What clients see."""
    yield Panel(
        title="Requests",
        help="How many a second are answered, by status.",
        unit="reqps",
        shows=[(queries.rate(f"{REQUESTS}_count", by=STATUS), f"{{{{{STATUS}}}}}")],
    )
    yield Panel(
        title="Time to answer, p99 by route",
        help="Of 100 requests of a route, one takes longer.",
        unit="s",
        shows=[(queries.quantile(0.99, REQUESTS, by=ROUTE), f"{{{{{ROUTE}}}}}")],
    )
    yield Panel(
        title="Errors",
        help="The share of requests that is answered by an error of the service. The lines are "
        "where the error budget burns too fast.",
        unit="percentunit",
        shows=[(queries.errors(window), f"of {window}") for window in ("5m", "1h")],
        limits=[round(LIMITS.burns_critical[i].rate * LIMITS.budget, 6) for i in (1, 0)],
    )


def pools(queries: Queries) -> Iterator[Panel]:
    """What requests need of the database."""
    legend = f"{{{{{POOL}}}}} {{{{instance}}}}"
    yield Panel(
        title="Connections in use",
        help="The share of the connections of a pool, on average of 5 minutes.",
        unit="percentunit",
        shows=[(queries.pool_used, legend)],
        limits=[LIMITS.pool_used, LIMITS.pool_used_critical],
        most=1,
    )
    yield Panel(
        title=f"Wait for a connection of more than {LIMITS.wait * 1000:g} ms",
        help="The share of sessions that wait longer. Connections are held for a short time: the "
        "pool is too small. They are held for long: see what holds them.",
        unit="percentunit",
        shows=[(queries.waited(LIMITS.wait), legend)],
        limits=[LIMITS.wait_share],
    )
    yield Panel(
        title=f"Wait for a connection of more than {LIMITS.wait_critical:g} s",
        help="The share of sessions that wait longer. Others are refused.",
        unit="percentunit",
        shows=[(queries.waited(LIMITS.wait_critical), legend)],
        limits=[LIMITS.wait_critical_share],
    )
    yield Panel(
        title="Time that a session has its connection",
        help="On average. Times the sessions a second, it is how many connections are in use.",
        unit="s",
        shows=[(queries.held, legend)],
    )
    by = f"{POOL}, db_client_connection_state"
    yield Panel(
        title="Connections",
        help="How many are open, in use or idle, and how many may be.",
        unit="short",
        shows=[
            (
                f"sum by ({by}) ({queries.series('db_client_connection_count')})",
                f"{{{{{POOL}}}}} {{{{db_client_connection_state}}}}",
            ),
            (
                f"sum by ({POOL}) ({queries.series('db_client_connection_max')})",
                f"{{{{{POOL}}}}} at most",
            ),
        ],
    )
    waiting = queries.series("db_client_connection_pending_requests")
    yield Panel(
        title="Requests that wait for a connection",
        help="How many wait at the gate of a pool.",
        unit="short",
        shows=[(f"sum by (instance, {POOL}) ({waiting})", legend)],
    )
    yield Panel(
        title="Refused and given up",
        help="Requests a second that got no connection, statements that were stopped, "
        "transactions that were run again.",
        unit="cps",
        shows=[
            (queries.rate("db_client_connection_timeouts_total", by="reason"), "{{reason}}"),
            (queries.rate("db_client_statement_timeouts_total"), "statement timeout"),
            (queries.rate("db_client_transaction_retries_total"), "transaction again"),
            (queries.rate("http_server_deadlines_exceeded_total"), "deadline"),
        ],
    )
    yield Panel(
        title="Connections made and lost",
        help="A second. A pool that is at work makes few.",
        unit="cps",
        shows=[
            (queries.rate("db_client_connections_created_total", by=POOL), f"made {{{{{POOL}}}}}"),
            (queries.rate("db_client_connections_lost_total", by=POOL), f"lost {{{{{POOL}}}}}"),
        ],
    )


def process(queries: Queries) -> Iterator[Panel]:
    """What holds up all requests of a worker."""
    yield Panel(
        title="Delay of the event loop, p99",
        help='How late it reacts. The log line "event loop blocked" has the code that blocks it.',
        unit="s",
        shows=[(queries.event_loop_delay, "{{instance}}")],
        limits=[LIMITS.event_loop_delay],
    )


def upstream(queries: Queries) -> Iterator[Panel]:
    """What the services that this one calls make of it."""
    yield Panel(
        title="Calls of other services, p99",
        help="Of 100 calls, one takes longer.",
        unit="s",
        shows=[(queries.quantile(0.99, UPSTREAM, by="instance"), "{{instance}}")],
    )
    yield Panel(
        title="Answers of other services",
        help="A second, by status, or by why there was none.",
        unit="reqps",
        shows=[
            (
                queries.rate(f"{UPSTREAM}_count", by=f"{STATUS}, error_type"),
                f"{{{{{STATUS}}}}}{{{{error_type}}}}",
            )
        ],
    )


def panel_json(number: int, panel: Panel) -> dict[str, Any]:
    """Return what Grafana knows of a panel; three stand beside each other."""
    colors = ["green", *(["red"] if len(panel.limits) == 1 else ["orange", "red"])]
    steps = zip(colors, [None, *panel.limits], strict=False)
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": color, "value": value} for color, value in steps],
        },
        "custom": {"thresholdsStyle": {"mode": "dashed" if panel.limits else "off"}},
    }
    if panel.most is not None:
        defaults["max"] = panel.most
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": number % 3 * 8, "y": number // 3 * 8, "w": 8, "h": 8},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list"}},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(panel.shows)
        ],
    }


def variable(name: str, kind: str, **options: object) -> dict[str, Any]:
    """Return a variable of the dashboard, which is chosen above the panels."""
    return {"name": name, "type": kind, **options}


def dashboard(job: str, title: str, *, calls_others: bool) -> str:
    """Return the dashboard of a service as JSON that Grafana imports."""
    queries = Queries(job, 'instance=~"$instance"')
    panels = [*traffic(queries), *pools(queries), *process(queries)]
    if calls_others:
        panels += upstream(queries)
    source = {"type": "prometheus", "uid": "${source}"}
    instances = f'label_values(event_loop_delay_seconds_count{{job="{job}"}}, instance)'
    content = {
        "uid": job,
        "title": title,
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                variable("source", "datasource", query="prometheus"),
                variable(
                    "instance",
                    "query",
                    datasource=source,
                    query={"query": instances, "refId": "instances"},
                    refresh=2,
                    includeAll=True,
                    multi=True,
                    allValue=".*",
                    current={"text": "All", "value": "$__all"},
                ),
            ]
        },
        "panels": [panel_json(number, panel) for number, panel in enumerate(panels)],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


class TelemetryExtension(Extension):
    """Adds the globals."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals["limits"] = LIMITS
        environment.globals["queries"] = Queries
        environment.globals["dashboard"] = dashboard
