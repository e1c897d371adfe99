"""A fair gate before a pool."""

import asyncio

from ..web.problems import Unavailable

WAITERS_PER_PERMIT = 5
"""A longer queue would only let requests wait for what they will not get in time."""


class Overloaded(Unavailable):
    type = "overloaded"
    title = "Too many requests wait for the database"


class Gate:
    """Lets as many tasks pass as the pool has connections, the longest waiting first.

    SQLAlchemy's own queue is not fair and has no bound, so that under overload some requests
    wait for ever. At the gate a request passes or is refused: at once when the queue is full,
    after ``timeout`` seconds at the latest.
    """

    def __init__(self, *, permits: int, timeout: float) -> None:
        self._semaphore = asyncio.Semaphore(permits)
        self._timeout = timeout
        self._waiting = 0
        self._max_waiting = permits * WAITERS_PER_PERMIT

    async def __aenter__(self) -> None:
        """Take a permit; raise Overloaded if the queue is full or the timeout has passed."""
        if not self._semaphore.locked():
            await self._semaphore.acquire()
            return
        await self._wait()

    async def _wait(self) -> None:
        if self._waiting >= self._max_waiting:
            raise Overloaded
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout):
                await self._semaphore.acquire()
        except TimeoutError:
            raise Overloaded from None
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._semaphore.release()
