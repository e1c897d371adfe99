"""Database errors as problems."""

from http import HTTPStatus
from typing import cast

import structlog
from fastapi import Request
from sqlalchemy.exc import DBAPIError
from starlette.responses import Response

from ..problems import (
    Conflict,
    DeadlineExceeded,
    Problem,
    Unavailable,
    respond,
)
from .driver import fault_of
from .faults import Fault
from .gate import Overloaded

log = structlog.get_logger()


class DatabaseUnavailable(Unavailable):
    type = "database-unavailable"
    title = "The database cannot be reached"


class DatabaseExhausted(Unavailable):
    type = "database-exhausted"
    title = "The database has no room left"


class LockTimeout(Unavailable):
    type = "lock-timeout"
    title = "The data is in use by another request"


class TransactionConflict(Unavailable):
    type = "transaction-conflict"
    title = "The transaction met another one"


class StatementTimeout(DeadlineExceeded):
    type = "statement-timeout"
    title = "A database statement took too long"


class BadValue(Problem):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    type = "bad-value"
    title = "A value cannot be stored"


_PROBLEMS: dict[Fault, type[Problem]] = {
    Fault.DUPLICATE: Conflict,
    Fault.INTEGRITY: Conflict,
    Fault.BAD_VALUE: BadValue,
    Fault.STATEMENT_TIMEOUT: StatementTimeout,
    Fault.LOCK_TIMEOUT: LockTimeout,
    Fault.DEADLOCK: TransactionConflict,
    Fault.SERIALIZATION: TransactionConflict,
    Fault.DISCONNECTED: DatabaseUnavailable,
    Fault.EXHAUSTED: DatabaseExhausted,
}


async def handle_database_error(request: Request, error: Exception) -> Response:
    """Answer an error that no service has given a meaning of its own.

    Raises:
        Exception: the error again, when it is a defect of this service.
    """
    problem = _PROBLEMS.get(fault_of(cast(DBAPIError, error)))
    if problem is None:
        raise error
    return respond(request.scope, problem())


async def handle_pool_timeout(request: Request, error: Exception) -> Response:
    """Answer a request that found the pool empty, because it used an engine past the gate."""
    # The gate lets in no more requests than there are connections: some are leaked, or held twice.
    log.warning("no connection left past the gate", exc_info=error)
    return respond(request.scope, Overloaded())


async def handle_stale_data(request: Request, _error: Exception) -> Response:
    """Answer the change of a row that was deleted after it was read."""
    return respond(request.scope, Conflict())
