"""Sessions: one type to read with, one to write with."""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NoReturn

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import greenlet_spawn
# {% if database_driver == "asyncpg" %}

from .driver import returns_at_once
# {% endif %}


class ReadSession(AsyncSession):
    """Reads, each statement on its own in autocommit; the database refuses writes."""

    def add(self, instance: object, _warn: bool = True) -> NoReturn:  # noqa: ARG002, FBT001, FBT002 - as in the base
        """Refuse, since nothing would ever flush the object."""
        message = "a ReadSession does not write; ask for a WriteSession"
        raise TypeError(message)

    def add_all(self, instances: Iterable[object]) -> NoReturn:
        """Refuse, like ``add``."""
        self.add(instances)
# {% if database_driver == "asyncpg" %}

    async def close(self) -> None:
        """Close the session, in a greenlet only if there is something to wait for."""
        transaction = self.sync_session.get_transaction()
        if transaction is None or all(map(returns_at_once, transaction.connections)):
            self.sync_session.close()
        else:
            await super().close()
# {% endif %}


class WriteSession(AsyncSession):
    """Reads and writes in one transaction, committed when the ``Database`` block ends."""


class Transaction:
    """The block of a session: committed at the end, rolled back on an error, and closed.

    It is that of ``async_sessionmaker.begin()``, which runs each step in a greenlet of its own.
    Only the end has to wait for the database, and a greenlet costs a twentieth of a request.
    """

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        self._block = ExitStack()

    async def __aenter__(self) -> WriteSession:
        """Begin."""
        sync_session = self._block.enter_context(self._session.sync_session)
        self._block.enter_context(sync_session.begin())
        return self._session

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit or roll back, and close; raise as the session does."""
        await _to_its_end(greenlet_spawn(self._block.__exit__, exc_type, exc, traceback))


async def _to_its_end(work: Coroutine[Any, Any, object]) -> None:
    # Cancelled in between, a COMMIT would leave nobody knowing, and its connection would be lost.
    task = asyncio.ensure_future(work)  # noqa: TID251 - awaited below
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
