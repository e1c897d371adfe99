"""Watches the pools from outside."""

import asyncio
from contextlib import AsyncExitStack

# {% if database_driver != "aiosqlite" %}
from sqlalchemy import text
# {% endif %}
from sqlalchemy.ext.asyncio import AsyncEngine

from {{ package_name }}.database.engine import Database
# {% if postgresql %}

OWN_NUMBER = text("SELECT pg_backend_pid()")
# {% elif database_driver == "asyncmy" %}

OWN_NUMBER = text("SELECT CONNECTION_ID()")
# {% endif %}


def in_use(engine: AsyncEngine) -> int:
    """Return the number of connections that are out of the pool."""
    count: int = engine.pool.checkedout()  # type: ignore[attr-defined]  # of this pool
    return count


async def assert_all_returned(database: Database, *, connections: int) -> None:
    """Check that every connection comes back, and every permit of the gates."""
    engines = (database.read_engine, database.write_engine)
    async with asyncio.timeout(5):
        while any(map(in_use, engines)):  # noqa: ASYNC110 - the database takes its time
            await asyncio.sleep(0.01)
    for gate in (database.read_gate, database.write_gate):
        async with asyncio.timeout(1), AsyncExitStack() as permits:
            for _ in range(connections):
                await permits.enter_async_context(gate)
