"""A fair gate before a pool."""

import asyncio
from collections import deque
from types import TracebackType

from ..problems import Unavailable
from ..timers import SharedTimer

WAITERS_PER_PERMIT = 5
"""A longer queue would only let requests wait for what they will not get in time."""


class Overloaded(Unavailable):
    type = "overloaded"
    title = "Too many requests wait for the database"


class Gate:
    """Lets as many tasks pass as the pool has connections, the longest waiting first.

    SQLAlchemy's own queue is not fair and has no bound, so that under overload some requests
    wait for ever. At the gate a request passes or is refused: at once when the queue is full,
    after ``timeout`` seconds at the latest. It is a semaphore that knows its timeout, which takes
    a third of the time of ``asyncio.Semaphore`` in ``asyncio.timeout()``.
    """

    def __init__(self, *, permits: int, timeout: float) -> None:
        self.free = permits
        """Permits that nobody has."""
        self._max_waiters = permits * WAITERS_PER_PERMIT
        self._timer = SharedTimer(self._refuse, seconds=timeout)
        self._queue: deque[asyncio.Future[bool]] = deque()

    async def __aenter__(self) -> None:
        """Take a permit.

        Raises:
            Overloaded: the queue is full, or the timeout has passed.
        """
        if self.free:
            self.free -= 1
        else:
            await self._wait()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pass_on()

    async def _wait(self) -> None:
        if len(self._queue) >= self._max_waiters:
            raise Overloaded
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._timer.add(turn)
        try:
            passes = await turn
        except asyncio.CancelledError:
            if turn in self._queue:
                self._queue.remove(turn)
            elif not turn.cancelled() and turn.result():
                # The permit came together with the cancellation.
                self._pass_on()
            raise
        finally:
            self._timer.discard(turn)
        if not passes:
            raise Overloaded

    def _refuse(self, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            self._queue.remove(turn)
            turn.set_result(False)

    def _pass_on(self) -> None:
        """Give the permit to the longest waiting, or keep it for whoever comes next."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self.free += 1
