"""Metrics of the connection pools."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool
from stamina.instrumentation import RetryDetails, StructlogOnRetryHook, set_on_retry_hooks
from structlog.contextvars import bind_contextvars

from ..database.driver import fault_of
from ..database.engine import Database
from ..database.errors import StatementTimeout
from ..database.faults import Fault
from ..database.gate import Gate, Overloaded
from ..settings import Settings
from . import measures
# {% if telemetry == "otlp" %}
from .spans import trace_statements
# {% endif %}


class MeasuredGate(Gate):
    """A gate that measures waits, refusals, and how long permits are held."""

    def __init__(self, pool: str, settings: Settings) -> None:
        self.permits = settings.database_pool_size + settings.database_max_overflow
        super().__init__(permits=self.permits, timeout=settings.database_pool_timeout)
        self._wait_time = measures.wait_time(pool)
        self._refusals = {reason: measures.refusals(pool, reason) for reason in ("full", "timeout")}
        self._statement_timeouts = measures.statement_timeouts()
        self.uses = 0
        self._holders = 0
        self._seconds = 0.0

    def seconds_held(self) -> float:
        """Return for how long permits have been held, those of now as well."""
        return self._seconds + self._holders * time.perf_counter()

    async def __aenter__(self) -> None:
        """Note the time; the sum of the exits less that of the entries is how long they held."""
        if self._semaphore.locked():
            await self._wait()
        else:
            await self._semaphore.acquire()
        self._holders += 1
        self._seconds -= time.perf_counter()

    @property
    def waiting(self) -> int:
        return self._waiting

    async def _wait(self) -> None:
        start = time.perf_counter()
        try:
            await super()._wait()
        except Overloaded:
            waited = time.perf_counter() - start
            self._refusals["full" if waited < self._timeout / 2 else "timeout"](1)
            raise
        waited = time.perf_counter() - start
        self._wait_time(waited)
        # The line that is logged of the request has it, too.
        bind_contextvars(pool_wait_milliseconds=round(waited * 1000, 2))

    async def __aexit__(self, *error: object) -> None:
        """Give the permit back; count a statement that was stopped by its timeout."""
        self._semaphore.release()
        self._holders -= 1
        self._seconds += time.perf_counter()
        self.uses += 1
        if _is_statement_timeout(error[1]):
            self._statement_timeouts(1)


def _is_statement_timeout(error: object) -> bool:
    if isinstance(error, DBAPIError):
        return fault_of(error) is Fault.STATEMENT_TIMEOUT
    return isinstance(error, StatementTimeout)


def measured(database: Database, settings: Settings) -> Database:
    """Return the same database with gates that measure."""
    set_on_retry_hooks((StructlogOnRetryHook, _count_retry))
    _watch("read", database.read_engine)
    _watch("write", database.write_engine)
    # {% if telemetry == "otlp" %}
    trace_statements(database.read_engine)
    trace_statements(database.write_engine)
    # {% endif %}
    return replace(
        database,
        read_gate=MeasuredGate("read", settings),
        write_gate=MeasuredGate("write", settings),
    )


def _count_retry(details: RetryDetails) -> None:
    if isinstance(details.caused_by, DBAPIError):
        measures.transaction_retries()(1)


def _watch(pool: str, engine: AsyncEngine) -> None:
    created, lost = measures.connections_created(pool), measures.connections_lost(pool)
    event.listen(engine.sync_engine, "connect", lambda *_: created(1))
    event.listen(engine.sync_engine, "invalidate", lambda *_: lost(1))
    event.listen(engine.sync_engine, "soft_invalidate", lambda *_: lost(1))


def pool_samples(database: Database) -> list[Callable[[], None]]:
    """Return what sets the gauges of the pools."""
    return [
        _pool_sample("read", database.read_engine, database.read_gate),
        _pool_sample("write", database.write_engine, database.write_gate),
    ]


def _pool_sample(pool: str, engine: AsyncEngine, gate: Gate) -> Callable[[], None]:
    gate = cast(MeasuredGate, gate)
    used = measures.connection_count(pool, "used")
    idle = measures.connection_count(pool, "idle")
    pending = measures.pending_requests(pool)
    most = measures.connection_max(pool)
    seconds, uses = measures.use_seconds(pool), measures.uses(pool)
    last_seconds, last_uses = 0.0, 0

    def sample() -> None:
        nonlocal last_seconds, last_uses
        now_seconds, now_uses = gate.seconds_held(), gate.uses
        seconds(max(0.0, now_seconds - last_seconds))  # a sum may be off by its last digit
        uses(now_uses - last_uses)
        last_seconds, last_uses = now_seconds, now_uses
        queue = cast(QueuePool, engine.pool)
        used(queue.checkedout())
        idle(queue.checkedin())
        pending(gate.waiting)
        most(gate.permits)

    return sample
