"""Which transactions are run again, and when."""

import stamina
from sqlalchemy.exc import DBAPIError

from .driver import fault_of
from .faults import Fault

ATTEMPTS = 3
WAIT_SECONDS = 0.02
"""The wait before the second attempt, doubled for each one more."""

JITTER_SECONDS = 0.05
"""At most added to a wait, so that two transactions do not meet again."""

# {% if postgresql %}
REPEATABLE = frozenset({Fault.DEADLOCK, Fault.SERIALIZATION, Fault.OUTDATED})
"""The database has undone the transaction because of another one or of a migration."""
# {% else %}
REPEATABLE = frozenset({Fault.DEADLOCK, Fault.SERIALIZATION})
"""The database has undone the transaction because of another one; nothing of it is left."""
# {% endif %}


def _may_succeed_again(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and fault_of(error) in REPEATABLE


repeating = stamina.AsyncRetryingCaller(
    attempts=ATTEMPTS, timeout=None, wait_initial=WAIT_SECONDS, wait_jitter=JITTER_SECONDS
).on(_may_succeed_again)
