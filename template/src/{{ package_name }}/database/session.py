"""Sessions: one type to read with, one to write with."""

import asyncio
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, NoReturn

from sqlalchemy.ext.asyncio import AsyncSession

# {% if database_driver == "asyncpg" %}
from .driver import returns_at_once
# {% endif %}
from .gate import Gate
from .greenlets import greenlet_spawn
# {% if postgresql %}
from .lone_insert import commit_with_insert
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


class Reading:
    """The block of a ``ReadSession``: behind the gate, and closed at the end."""

    def __init__(self, session: ReadSession, gate: Gate) -> None:
        self._session = session
        self._gate = gate

    async def __aenter__(self) -> ReadSession:
        """Take a permit."""
        await self._gate.__aenter__()
        return self._session

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close, without the task that protects a rollback: in autocommit there is none."""
        try:
            await self._session.close()
        finally:
            await self._gate.__aexit__(exc_type, exc, traceback)


class Transaction:
    """The block of a ``WriteSession``: behind the gate, committed or rolled back, and closed.

    It is that of ``async_sessionmaker.begin()``, which runs each step in a greenlet of its own.
    Only the end has to wait for the database, and a greenlet costs a twentieth of a request.
    """

    def __init__(self, session: WriteSession, gate: Gate) -> None:
        self._session = session
        self._gate = gate

    async def __aenter__(self) -> WriteSession:
        """Take a permit, and begin."""
        await self._gate.__aenter__()
        self._transaction = self._session.sync_session.begin().__enter__()
        return self._session

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit, or roll back on an error, and close; raise as the session does."""

        def end() -> None:
            try:
                # {% if postgresql %}
                if exc is None:
                    commit_with_insert(self._session.sync_session)
                # {% endif %}
                self._transaction.__exit__(exc_type, exc, traceback)
            finally:
                self._session.sync_session.close()

        try:
            await _to_its_end(greenlet_spawn(end))
        finally:
            await self._gate.__aexit__(exc_type, exc, traceback)


async def _to_its_end(work: Coroutine[Any, Any, object]) -> None:
    # Cancelled in between, a COMMIT would leave nobody knowing, and its connection would be lost.
    task = asyncio.ensure_future(work)  # noqa: TID251 - awaited below
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
