"""Sessions: one type to read with, one to write with."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn

from sqlalchemy import ClauseElement, Connection, Engine, UpdateBase
from sqlalchemy.exc import IllegalStateChangeError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session  # noqa: TID251 - the base of what a ReadSession is made of

# {% if database_driver == "asyncpg" %}
from .driver import returns_at_once
# {% endif %}
from .gate import Gate
from .greenlets import greenlet_spawn

NO_WRITES = "a ReadSession does not write; ask for a WriteSession"


class Reader(Session):
    """The synchronous side of a ``ReadSession``: in autocommit there is no transaction to keep.

    It has its connection from the first statement on. A transaction of the session around it would
    take a twentieth of the time of a read.
    """

    current_connection: Connection | None = None
    """The connection, when something was read."""

    _is_connecting = False

    def get_bind(
        self,
        mapper: Any = None,  # noqa: ANN401 - that of the base
        *,
        clause: ClauseElement | None = None,
        **options: Any,  # noqa: ANN401 - those of the base
    ) -> Engine | Connection:
        """Return the engine; refuse statements that write."""
        if isinstance(clause, UpdateBase):
            raise TypeError(NO_WRITES)
        return super().get_bind(mapper, clause=clause, **options)

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Refuse changes; there mostly are none."""
        if self.new or self.dirty or self.deleted:
            raise TypeError(NO_WRITES)
        super().flush(objects)

    def _connection_for_bind(
        self,
        engine: Engine | Connection,
        execution_options: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - those of the base
    ) -> Connection:
        # Another database, a connection that is somebody's, or a listener that counts on a begin.
        if engine is not self.bind or isinstance(engine, Connection) or self.dispatch.after_begin:
            return super()._connection_for_bind(engine, execution_options, **options)
        if self.current_connection is None:
            self.current_connection = self._connect(engine)
        if execution_options:
            self.current_connection.execution_options(**execution_options)
        return self.current_connection

    def _connect(self, engine: Engine) -> Connection:
        if self._is_connecting:
            message = "a session belongs to one task, and this one connects for another"
            raise IllegalStateChangeError(message)
        self._is_connecting = True
        try:
            return engine.connect()
        finally:
            self._is_connecting = False

    def commit(self) -> None:
        """End a transaction, if an option has made the connection begin one."""
        super().commit()
        if self.current_connection is not None:
            self.current_connection.commit()

    def rollback(self) -> None:
        """End a transaction like ``commit``."""
        super().rollback()
        if self.current_connection is not None:
            self.current_connection.rollback()

    def close(self) -> None:
        """Detach what was read, and give the connection back."""
        super().close()
        self._let_go()

    def reset(self) -> None:
        """Start anew, like ``close``."""
        super().reset()
        self._let_go()

    def invalidate(self) -> None:
        """Close, and the connection for good."""
        if self.current_connection is not None:
            self.current_connection.invalidate()
        super().invalidate()
        self._let_go()

    def _let_go(self) -> None:
        connection, self.current_connection = self.current_connection, None
        if connection is not None:
            connection.close()


class ReadSession(AsyncSession):
    """Reads, each statement on its own in autocommit; the database refuses writes."""

    sync_session_class = Reader
    sync_session: Reader

    def add(self, instance: object, _warn: bool = True) -> NoReturn:  # noqa: ARG002, FBT001, FBT002 - as in the base
        """Refuse, since nothing would ever flush the object."""
        raise TypeError(NO_WRITES)

    def add_all(self, instances: Iterable[object]) -> NoReturn:
        """Refuse, like ``add``."""
        self.add(instances)
# {% if database_driver == "asyncpg" %}

    async def close(self) -> None:
        """Close the session, in a greenlet only if there is something to wait for."""
        connection = self.sync_session.current_connection
        is_free = connection is None or returns_at_once(connection)
        if is_free and not self.in_transaction():
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

    # {% if postgresql %}
    def __init__(
        self, session: WriteSession, gate: Gate, *, options: Mapping[str, Any] | None = None
    ) -> None:
        self._session = session
        self._gate = gate
        self._options = options
    # {% else %}
    def __init__(self, session: WriteSession, gate: Gate) -> None:
        self._session = session
        self._gate = gate
    # {% endif %}

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
                if self._options and exc is None:
                    self._session.sync_session.connection(execution_options=self._options)
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
