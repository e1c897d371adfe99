"""Sessions: one type to read with, one to write with."""

from collections.abc import Iterable
from typing import NoReturn

from sqlalchemy.ext.asyncio import AsyncSession
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
