"""The sessions of a request."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from ..lifespan import state_of
from .engine import Database
from .session import ReadSession, WriteSession


async def get_database(request: Request) -> Database:
    return state_of(request)["database"]


async def get_read_session(request: Request) -> AsyncIterator[ReadSession]:
    async with state_of(request)["database"].read() as session:
        yield session


async def get_write_session(request: Request) -> AsyncIterator[WriteSession]:
    async with state_of(request)["database"].write() as session:
        yield session


# The default scope would commit after the response is sent: a failing COMMIT would answer 201.
ReadSessionDep = Annotated[ReadSession, Depends(get_read_session, scope="function")]
WriteSessionDep = Annotated[WriteSession, Depends(get_write_session, scope="function")]

# For units of work that are run again as a whole when another transaction got in their way.
DatabaseDep = Annotated[Database, Depends(get_database)]
