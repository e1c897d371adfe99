"""A commit that was begun is not left by whoever is cancelled."""

import asyncio

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.util import await_only

from order_desk.lifespan import State

from tests.faults.pools import assert_all_returned
from tests.sample import Gizmo
from tests.support import GIZMO, names_of_gizmos


async def test_a_commit_that_was_begun_is_awaited(state: State) -> None:
    database = state["database"]
    begun = asyncio.Event()

    def commit_slowly(_connection: Connection) -> None:
        begun.set()
        await_only(asyncio.sleep(0.05))

    async def write() -> None:
        async with database.write() as session:
            session.add(Gizmo(**GIZMO))
            await session.flush()

    event.listen(database.write_engine.sync_engine, "commit", commit_slowly)
    try:
        writing = asyncio.create_task(write())
        await begun.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await assert_all_returned(database, connections=state["settings"].database_pool_size)
    finally:
        event.remove(database.write_engine.sync_engine, "commit", commit_slowly)

    assert await names_of_gizmos(state) == [GIZMO["name"]]
