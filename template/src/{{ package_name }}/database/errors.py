"""Database errors as problems."""

from http import HTTPStatus

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError
from starlette.requests import HTTPConnection
from starlette.responses import Response

from ..web.problems import Conflict, DeadlineExceeded, Problem, ProblemResponse, Unavailable
from .driver import fault_of, place_of
from .faults import Fault
from .gate import Overloaded

log = structlog.get_logger()


class DatabaseUnavailable(Unavailable):
    type = "database-unavailable"
    title = "The database cannot be reached"


class DatabaseExhausted(Unavailable):
    type = "database-exhausted"
    title = "The database has no room left"


# {% if database_driver != "aiosqlite" %}
class DatabaseReadOnly(Unavailable):
    type = "database-read-only"
    title = "The database takes no changes"


# {% endif %}
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
    Fault.REFERENCE: Conflict,
    Fault.INTEGRITY: Conflict,
    Fault.BAD_VALUE: BadValue,
    Fault.STATEMENT_TIMEOUT: StatementTimeout,
    Fault.LOCK_TIMEOUT: LockTimeout,
    Fault.DEADLOCK: TransactionConflict,
    Fault.SERIALIZATION: TransactionConflict,
    Fault.DISCONNECTED: DatabaseUnavailable,
    # {% if postgresql %}
    Fault.OUTDATED: TransactionConflict,
    # {% endif %}
    # {% if database_driver != "aiosqlite" %}
    Fault.READ_ONLY: DatabaseReadOnly,
    # {% endif %}
    Fault.EXHAUSTED: DatabaseExhausted,
}


def network_problem(error: Exception) -> Problem:
    """Return what a lost connection means for a statement."""
    return StatementTimeout() if isinstance(error, TimeoutError) else DatabaseUnavailable()


async def handle_database_error(connection: HTTPConnection, error: DBAPIError) -> Response:
    """Answer an error that no service has handled; raise it again if it is a bug."""
    fault = fault_of(error)
    problem = _PROBLEMS.get(fault)
    if problem is None:
        raise error
    # The client is told that its request is wrong, but the cause may be a bug in the service, such
    # as a column that it does not fill in.
    log.warning("database error", fault=fault.name.lower(), **place_of(error))
    return ProblemResponse(problem(), connection.scope)


async def handle_pool_timeout(connection: HTTPConnection, error: PoolTimeoutError) -> Response:
    """Answer a request for which the pool had no connection, because code has bypassed the gate."""
    log.warning("no connection left past the gate", exc_info=error)
    return ProblemResponse(Overloaded(), connection.scope)


async def handle_stale_data(connection: HTTPConnection, _error: StaleDataError) -> Response:
    """Answer the change of a row that was deleted after it was read."""
    return ProblemResponse(Conflict(), connection.scope)
