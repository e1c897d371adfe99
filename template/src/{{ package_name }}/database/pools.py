"""Whether the connections of a pool are given back, and still work."""

# {% if database_driver != "aiosqlite" %}
import asyncio
# {% endif %}
import time
# {% if database_driver != "aiosqlite" %}
from contextlib import suppress
# {% endif %}
from typing import cast
# {% if database_driver != "aiosqlite" %}
from weakref import WeakSet
# {% endif %}

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
# {% if database_driver == "aiosqlite" %}
from sqlalchemy.pool import QueuePool

from ..settings import Settings
# {% else %}
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from ..settings import Settings
from .errors import DatabaseUnavailable

QUIET_SECONDS = 1.0
"""If no connection was taken from a pool for longer, they may be lost without notice."""
# {% endif %}


class PoolWatch:
    """Notes when a connection was last taken from the pool of an engine.

    If all connections of a pool are taken and none is given back, code has taken them past the gate
    and keeps them.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._engine = engine
        self._connections = settings.database_pool_size + settings.database_max_overflow
        self._last_checkout = time.monotonic()
        event.listen(engine.sync_engine, "checkout", self._note_checkout)
        # {% if database_driver != "aiosqlite" %}
        self._timeout = settings.database_pool_timeout
        self._entries: WeakSet[ConnectionPoolEntry] = WeakSet()
        event.listen(engine.sync_engine, "connect", self._note_connection)
        # {% endif %}

    def _note_checkout(self, *_: object) -> None:
        self._last_checkout = time.monotonic()

    def seconds_exhausted(self) -> float:
        """Return for how long all connections have been taken and none was given back."""
        if cast(QueuePool, self._engine.pool).checkedout() < self._connections:
            return 0
        return time.monotonic() - self._last_checkout
    # {% if database_driver != "aiosqlite" %}

    def _note_connection(self, _connection: object, entry: ConnectionPoolEntry) -> None:
        self._entries.add(entry)

    async def awake(self) -> None:
        """After a time without requests, check in time that there is a connection that works.

        The network may drop idle connections silently. Such a connection answers neither a ping nor
        its close, so the others are replaced without a ping. Raises DatabaseUnavailable if no new
        one can be made in time.
        """
        if time.monotonic() - self._last_checkout <= QUIET_SECONDS:
            return
        left = self._timeout
        try:
            for _ in range(2):
                if not cast(QueuePool, self._engine.pool).checkedin():
                    break
                with suppress(TimeoutError):
                    await self._connect(self._timeout / 4)
                    return
                for entry in self._entries:
                    entry.invalidate(soft=True)
                left -= self._timeout / 4
            await self._connect(left)
        except TimeoutError as error:
            raise DatabaseUnavailable from error

    async def _connect(self, seconds: float) -> None:
        # When it is cancelled, the driver first closes its connection properly, and waits seconds
        # for a server that does not answer. A second cancellation ends that.
        async with asyncio.timeout(seconds), asyncio.timeout(seconds * 0.9):
            connection = await self._engine.connect()
            await connection.close()
# {% endif %}
