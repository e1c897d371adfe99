"""Timers for many things that have the same time."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedTimer(Generic[T]):
    """Rings for every item that is not taken out within the time, in the order of their coming.

    A timer of the event loop costs a fiftieth of a request, and hardly one is ever needed. Here
    all items share one, which is set for the oldest of them.
    """

    def __init__(self, ring: Callable[[T], None], *, seconds: float) -> None:
        self._ring = ring
        self._seconds = seconds
        self._due: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: T) -> None:
        """Ring for the item in ``seconds``."""
        if self._timer is None:
            # Python 3.11 makes a system call whenever it is asked for the loop.
            self._loop = asyncio.get_running_loop()
        due = self._due[item] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._ring_what_is_due)

    def discard(self, item: T) -> None:
        """Do not ring for the item."""
        self._due.pop(item, None)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring_what_is_due(self) -> None:
        now = self._loop.time()
        due = [item for item, moment in self._due.items() if moment <= now]
        for item in due:
            del self._due[item]
        oldest = next(iter(self._due.values()), None)
        self._timer = self._loop.call_at(oldest, self._ring_what_is_due) if oldest else None
        for item in due:
            self._ring(item)
