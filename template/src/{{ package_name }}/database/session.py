"""Sessions: one type to read with, one to write with."""

# {% if postgresql %}
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, Result, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransactionOrigin

from .driver import fault_of
from .faults import Fault

STREAMING = frozenset({"stream_results", "yield_per"})
"""The options of statements whose rows stay on the server until they are fetched."""
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
        """Leave autocommit when a transaction is asked for by ``begin()`` or ``begin_nested()``."""
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
    """Refuse what was added, changed or deleted; what was only read is not flushed."""
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
    """Reads, each statement on its own in autocommit; the database refuses to write in it."""

    sync_session_class = Reader


class WriteSession(AsyncSession):
    """Reads and writes in one transaction, committed when its block ends."""
