"""Which transactions are run again, and when."""

import stamina
from sqlalchemy.exc import DBAPIError

from .driver import fault_of
from .faults import Fault

ATTEMPTS = 3
WAIT_SECONDS = 0.02
"""The wait before the second attempt, doubled for each further one."""

JITTER_SECONDS = 0.05
"""The largest random addition to a wait, so that two transactions do not conflict again."""

# {% if postgresql %}
REPEATABLE = frozenset({Fault.DEADLOCK, Fault.SERIALIZATION, Fault.OUTDATED})
"""The database has rolled back because of another transaction or of a migration."""
# {% else %}
REPEATABLE = frozenset({Fault.DEADLOCK, Fault.SERIALIZATION})
"""The database has rolled back all of the transaction because of another one."""
# {% endif %}


def _may_succeed_again(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and fault_of(error) in REPEATABLE


repeating = stamina.AsyncRetryingCaller(
    attempts=ATTEMPTS, timeout=None, wait_initial=WAIT_SECONDS, wait_jitter=JITTER_SECONDS
).on(_may_succeed_again)
