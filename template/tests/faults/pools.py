"""Watches the pools from outside."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from {{ package_name }}.database.engine import Database


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
