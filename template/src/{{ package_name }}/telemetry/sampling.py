"""Metrics that are sampled: the delay of the event loop, and the use of each pool."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..database.engine import Database
from . import measures
from .pools import pool_samples

SECONDS = 0.25


@contextmanager
def sampled(database: Database, *others: Callable[[], None]) -> Iterator[None]:
    """Measure how late the event loop is, set the gauges of the pools, and call the others."""
    loop = asyncio.get_running_loop()
    delay = measures.event_loop_delay()
    samples = [*pool_samples(database), *others]
    planned: asyncio.Handle

    def look(due: float) -> None:
        nonlocal planned
        delay(max(0.0, loop.time() - due))
        for sample in samples:
            sample()
        due = loop.time() + SECONDS
        planned = loop.call_at(due, look, due)

    planned = loop.call_soon(look, loop.time())
    try:
        yield
    finally:
        planned.cancel()
