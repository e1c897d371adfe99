"""Pools: how many database connections a process keeps, and whether the fleet's fit the server.

Context: `pool_size` and `max_overflow`. Jinja filter: `count_problem`; globals:
`default_max_connections`, `fleet_problem`.

A process has two pools, one to read and one to write, each of

    pool_size = ceil(concurrent_requests / queries_per_request * 1.5)

connections: a request holds a connection for a query or a transaction at a time, not from its first
to its last line, so that fewer connections than concurrent requests keep all of them busy; the half
on top is headroom for bursts. The fleet must fit the server:

    (2 * (pool_size + max_overflow) + 2) * workers * replicas <= max_connections - 10

where the 2 are the connections of the readiness checks, in a service that has them. The pool is
made smaller until the fleet fits. The 10 stay free for migrations, a person with psql,
monitoring and what the server keeps for itself (PostgreSQL: superuser_reserved_connections, 3):
https://www.postgresql.org/docs/current/runtime-config-connection.html

`max_overflow` is 0: overflow connections are closed again after each use, so that under load every
request pays for a new one. SQLite is a file without such a limit: only the first formula applies.

This file imports nothing from its siblings: on `copier update` the old and the new version of it
run in one process, and a sibling would be served from the wrong one's module cache.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from copier_template_extensions import ContextHook

if TYPE_CHECKING:
    from jinja2 import Environment

HEADROOM = 1.5
MAX_OVERFLOW = 0
POOLS = 2
"""Pools of a process: one to read, one to write."""
READINESS_CONNECTIONS = 2
"""Connections of a process for its readiness checks, which wait for no request."""
RESERVED_CONNECTIONS = 10
"""Connections of the server that the service leaves to others."""

COUNTS = ("concurrent_requests", "queries_per_request", "workers", "replicas", "max_connections")


def wanted_pool_size(*, concurrent_requests: int, queries_per_request: int) -> int:
    """Return the connections that each pool of a process should have, at least 1."""
    return max(1, ceil(concurrent_requests / queries_per_request * HEADROOM))


def pool_size(  # noqa: PLR0913 - the answers that it follows from
    *,
    concurrent_requests: int,
    queries_per_request: int,
    workers: int,
    replicas: int,
    max_connections: int | None,
    health_checks: bool = False,
) -> int:
    """Return the connections of each pool of a process; 0 when the fleet does not fit the server.

    `max_connections` is None for a database without a limit. A fleet that fits without its
    readiness checks has one connection in each pool.
    """
    wanted = wanted_pool_size(
        concurrent_requests=concurrent_requests, queries_per_request=queries_per_request
    )
    if max_connections is None:
        return wanted
    per_process = (max_connections - RESERVED_CONNECTIONS) // (workers * replicas)
    smallest = int(per_process >= POOLS * (1 + MAX_OVERFLOW))
    checks = READINESS_CONNECTIONS if health_checks else 0
    return max(smallest, min(wanted, (per_process - checks) // POOLS - MAX_OVERFLOW))


def needed_connections(workers: int, replicas: int) -> int:
    """Return the smallest `max_connections` that such a fleet can work with."""
    return POOLS * (1 + MAX_OVERFLOW) * workers * replicas + RESERVED_CONNECTIONS


def default_max_connections(as_installed: int, *, workers: int, replicas: int, ask: bool) -> int:
    """Return the default of the question.

    In an interview it has to fit, or Copier could not show the question. Where nobody is asked it
    is what servers have as installed, so that a fleet that does not fit is refused.
    """
    return max(as_installed, needed_connections(workers, replicas)) if ask else as_installed


def fleet_problem(max_connections: int, *, workers: int, replicas: int, whole: bool = True) -> str:
    """Say what to change when the fleet does not fit `max_connections`, or nothing.

    In an interview, where a line of a terminal has to hold it, it is not the `whole` reason.
    """
    needed = needed_connections(workers, replicas)
    if max_connections >= needed:
        return ""
    if not whole:
        return f"It takes {needed} or more."
    processes = workers * replicas
    return (
        f"Raise max_connections to {needed}, on the server and here, or answer fewer workers or "
        f"replicas: {workers} workers x {replicas} replicas = {processes} processes, and each "
        f"needs {POOLS} connections (1 to read, 1 to write) while {RESERVED_CONNECTIONS} stay "
        f"free: {POOLS} x {processes} + {RESERVED_CONNECTIONS} = {needed}, more than "
        f"{max_connections}."
    )


def count_problem(count: int, largest: int) -> str:
    """Say why `count` is no usable number, or nothing."""
    return "" if 1 <= count <= largest else f"Whole numbers, 1 to {largest}."


class PoolsExtension(ContextHook):
    """Adds the filter and globals, and the sizes once every count is known."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["count_problem"] = count_problem
        environment.globals["default_max_connections"] = default_max_connections
        environment.globals["fleet_problem"] = fleet_problem

    def hook(self, context: dict[str, Any]) -> None:
        """Add `pool_size` and `max_overflow` to the context."""
        counts = {name: context.get(name) for name in COUNTS}
        # Not every answer has been validated when a question is rendered.
        if any(not isinstance(count, int) or count < 1 for count in counts.values()):
            return
        if context.get("database_driver") == "aiosqlite":
            counts["max_connections"] = None
        health_checks = bool(context.get("health_checks"))
        context["pool_size"] = pool_size(**counts, health_checks=health_checks)  # type: ignore[arg-type]
        context["max_overflow"] = MAX_OVERFLOW
