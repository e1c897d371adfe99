"""Sessions: one type for reading, one for writing."""

# {% if postgresql %}
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, Result, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransactionOrigin

from .driver import fault_of
from .faults import Fault

STREAMING = frozenset({"stream_results", "yield_per"})
"""Options for streaming: the rows stay on the server until they are fetched."""
# {% elif database_driver == "asyncmy" %}
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransactionOrigin
# {% else %}
from typing import NoReturn

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
# {% endif %}


class Reader(Session):
    """The synchronous side of a ``ReadSession``."""
    # {% if database_driver != "aiosqlite" %}

    def get_bind(self, *args: Any, **kw: Any) -> Engine | Connection:  # noqa: ANN401 - as its own
        """Leave autocommit when ``begin()`` or ``begin_nested()`` is called."""
        engine = super().get_bind(*args, **kw)
        if self.is_begun():
            snapshots = engine.execution_options(isolation_level="REPEATABLE READ")
            engine = self.info.setdefault("snapshots", snapshots)
        return engine

    def is_begun(self) -> bool:
        transaction = self.get_transaction()
        return transaction is not None and transaction.origin is SessionTransactionOrigin.BEGIN
    # {% endif %}


@event.listens_for(Reader, "before_flush")
def refuse_flush(*_: object) -> NoReturn:
    """Refuse entities that were added, changed or deleted."""
    message = "a ReadSession does not write; ask for a WriteSession"
    raise TypeError(message)
# {% if postgresql %}


@event.listens_for(Reader, "do_orm_execute")
def execute(state: ORMExecuteState) -> Result[Any]:
    """Stream in a transaction, as PostgreSQL has it; read again after a migration."""
    reader: Any = state.session
    if state.execution_options.keys() & STREAMING and not reader.is_begun():
        reader.commit()
        reader.begin()
    try:
        return state.invoke_statement()
    except DBAPIError as error:
        if reader.is_begun() or fault_of(error) is not Fault.OUTDATED:
            raise
        return state.invoke_statement()
# {% endif %}


class ReadSession(AsyncSession):
    """A session for reading in autocommit; the database refuses to write on its connection."""

    sync_session_class = Reader


class WriteSession(AsyncSession):
    """A session for reading and writing in one transaction, committed when its block ends."""
