"""Sessions: one type to read with, one to write with."""

from typing import NoReturn

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session


class Reader(Session):
    """The synchronous side of a ``ReadSession``."""


@event.listens_for(Reader, "before_flush")
def refuse_flush(*_: object) -> NoReturn:
    """Refuse what was added, changed or deleted; what was only read is not flushed."""
    message = "a ReadSession does not write; ask for a WriteSession"
    raise TypeError(message)


class ReadSession(AsyncSession):
    """Reads, each statement on its own in autocommit; the database refuses to write in it."""

    sync_session_class = Reader


class WriteSession(AsyncSession):
    """Reads and writes in one transaction, committed when its block ends."""
