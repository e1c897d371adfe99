"""The gate: a fair queue in front of a connection pool."""

import asyncio

from ..web.problems import Unavailable

WAITERS_PER_PERMIT = 5
"""Requests at the end of a longer queue would not get a connection before their timeout."""


class Overloaded(Unavailable):
    type = "overloaded"
    title = "Too many requests wait for the database"


class Gate:
    """Lets as many tasks pass as the pool has connections, in the order in which they came.

    The queue of SQLAlchemy's pool is not fair and has no maximum length, so that under overload
    some requests always time out. The gate refuses a request at once when its queue is full, and
    after ``timeout`` seconds otherwise.
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
