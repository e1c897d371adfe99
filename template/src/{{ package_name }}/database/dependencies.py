"""The sessions of a request or a WebSocket."""

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from ..web.state import resource_of
from .engine import Database
from .session import ReadSession, WriteSession


async def get_database(connection: HTTPConnection) -> Database:
    return cast(Database, resource_of(connection, "database"))


async def get_read_session(connection: HTTPConnection) -> AsyncIterator[ReadSession]:
    async with (await get_database(connection)).read() as session:
        yield session


async def get_write_session(connection: HTTPConnection) -> AsyncIterator[WriteSession]:
    async with (await get_database(connection)).write() as session:
        yield session


# The default scope would commit after the response is sent: a failing COMMIT would answer 201.
ReadSessionDep = Annotated[ReadSession, Depends(get_read_session, scope="function")]
WriteSessionDep = Annotated[WriteSession, Depends(get_write_session, scope="function")]

# For a session in a part of the request, or a transaction that may be run again.
DatabaseDep = Annotated[Database, Depends(get_database)]
