"""Routes with statements that do not end, and what the database knows of them."""

import asyncio
# {% if database_driver == "aiosqlite" %}
import time
# {% endif %}

from fastapi import APIRouter
from sqlalchemy import text

from {{ package_name }}.database.dependencies import (
    ReadSessionDep,
    WriteSessionDep,
)
from {{ package_name }}.lifespan import State

from tests.sample import Gizmo
from tests.support import GIZMO

router = APIRouter()


@router.get("/slow")
async def slow_read(session: ReadSessionDep) -> None:
    await session.execute(SLOW)


@router.post("/slow")
async def slow_write(session: WriteSessionDep) -> None:
    session.add(Gizmo(**GIZMO))
    await session.flush()
    await session.execute(SLOW)


# {% if database_driver == "aiosqlite" %}
SLOW = text("""
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
    SELECT max(n) FROM numbers
""")


async def running_statements(_: State) -> int:
    """Return whether a thread of this process still works on the slow statement."""
    start = time.process_time()
    time.sleep(0.05)  # noqa: ASYNC251 - the event loop must rest too
    # On a busy machine it gets a part of the time only.
    return int(time.process_time() - start > 0.01)
# {% elif postgresql %}
SLOW = text("SELECT pg_sleep(60)")
# What a statement sleeps for may be a parameter, which its text does not tell.
_RUNNING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event = 'PgSleep'"
)
# {% else %}
SLOW = text("SELECT SLEEP(60)")
_RUNNING = text(
    "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()"
    " AND info LIKE '%SLEEP(60)%' AND id <> CONNECTION_ID()"
)
# {% endif %}
# {% if database_driver != "aiosqlite" %}


async def running_statements(state: State) -> int:
    """Return how many of the slow statements the server still works on."""
    async with state["database"].read() as session:
        return int(await session.scalar(_RUNNING) or 0)
# {% endif %}


async def until_running(state: State, *, statements: int = 1) -> None:
    """Wait until the database works on as many slow statements."""
    async with asyncio.timeout(30):
        while await running_statements(state) < statements:  # noqa: ASYNC110 - the server knows
            await asyncio.sleep(0.01)


async def assert_none_runs(state: State) -> None:
    """Check that the server ends the slow statements, a moment after it was told to at most."""
    # {% if database_driver == "asyncmy" %}
    # After 5 s it looks whether the client is still there.
    # {% endif %}
    async with asyncio.timeout(2):
        while await running_statements(state):  # noqa: ASYNC110 - the server knows
            await asyncio.sleep(0.01)
