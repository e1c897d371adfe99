"""Watches the pools from outside."""

import asyncio

# {% if database_driver != "aiosqlite" %}
from sqlalchemy import text
# {% endif %}
from sqlalchemy.ext.asyncio import AsyncEngine

# {% if database_driver != "aiosqlite" %}
from {{ package_name }}.database.driver import is_lost
# {% endif %}
from {{ package_name }}.database.engine import Database
# {% if postgresql %}

OWN_NUMBER = text("SELECT pg_backend_pid()")
KILL = "SELECT pg_terminate_backend({})"
# {% elif database_driver == "asyncmy" %}

OWN_NUMBER = text("SELECT CONNECTION_ID()")
KILL = "KILL {}"
# {% endif %}


def in_use(engine: AsyncEngine) -> int:
    """Return the number of connections that are out of the pool."""
    count: int = engine.pool.checkedout()  # type: ignore[attr-defined]  # of this pool
    return count


async def assert_all_returned(database: Database) -> None:
    """Check that every connection comes back, and every permit of the gates."""
    engines = (database.read_engine, database.write_engine)
    for _ in range(500):
        if not any(in_use(engine) for engine in engines):
            break
        await asyncio.sleep(0.01)
    for engine, gate in (
        (database.read_engine, database.read_gate),
        (database.write_engine, database.write_gate),
    ):
        size: int = engine.pool.size()  # type: ignore[attr-defined]  # of this pool
        assert in_use(engine) == 0
        assert gate.free == size
# {% if database_driver != "aiosqlite" %}


async def kill_idle_connection(database: Database) -> None:
    """Let the server close the connection that the next read would get, and the driver see it."""
    async with database.read() as session:
        number = await session.scalar(OWN_NUMBER)
        pooled = await (await session.connection()).get_raw_connection()
        connection = pooled.dbapi_connection
    assert connection is not None
    async with database.write() as session:
        await session.execute(text(KILL.format(number)))
    async with asyncio.timeout(30):
        while not is_lost(connection):  # noqa: ASYNC110 - the server takes its time
            await asyncio.sleep(0.01)
# {% endif %}
