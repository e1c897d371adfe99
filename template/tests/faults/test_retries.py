"""A transaction that met another one is run again as a whole, on a session of its own."""

# {% if database_driver != "aiosqlite" %}
import asyncio
from uuid import UUID

import httpx2
# {% endif %}
import pytest
# {% if database_driver != "aiosqlite" %}
from sqlalchemy import select, update
# {% endif %}
from sqlalchemy.exc import DBAPIError

from {{ package_name }}.database.retries import ATTEMPTS
from {{ package_name }}.database.session import WriteSession
from {{ package_name }}.lifespan import State

from tests.sample import Gizmo
# {% if database_driver == "aiosqlite" %}
from tests.support import GIZMO, database_error, names_of_gizmos
# {% else %}
from tests.support import GIZMO, create_gizmos, database_error, names_of_gizmos
# {% endif %}

CONFLICT = {{ '"40P01"' if postgresql else 1213 if database_driver == "asyncmy" else '"SQLITE_BUSY_SNAPSHOT"' }}


class Work:
    """Adds a gizmo, and meets another transaction in its first attempts."""

    def __init__(self, *, conflicts: int) -> None:
        self.conflicts = conflicts
        self.sessions: list[WriteSession] = []

    async def __call__(self, session: WriteSession) -> str:
        self.sessions.append(session)
        session.add(Gizmo(**GIZMO))
        await session.flush()
        if len(self.sessions) <= self.conflicts:
            raise database_error(CONFLICT)
        return "done"


async def test_a_conflict_is_no_error_when_another_attempt_succeeds(state: State) -> None:
    work = Work(conflicts=ATTEMPTS - 1)

    assert await state["database"].transaction(work) == "done"

    assert len({id(session) for session in work.sessions}) == ATTEMPTS
    assert await names_of_gizmos(state) == [GIZMO["name"]]


async def test_attempts_come_to_an_end(state: State) -> None:
    work = Work(conflicts=ATTEMPTS)

    with pytest.raises(DBAPIError):
        await state["database"].transaction(work)

    assert len(work.sessions) == ATTEMPTS
    assert await names_of_gizmos(state) == []


async def test_what_would_fail_again_is_not_repeated(state: State) -> None:
    await state["database"].transaction(Work(conflicts=0))
    work = Work(conflicts=0)

    with pytest.raises(DBAPIError):
        await state["database"].transaction(work)

    assert len(work.sessions) == 1
# {% if database_driver != "aiosqlite" %}


async def test_both_sides_of_a_deadlock_succeed(client: httpx2.AsyncClient, state: State) -> None:
    first, second = [UUID(gizmo["id"]) for gizmo in await create_gizmos(client, 2)]
    both_locked = asyncio.Barrier(2)
    attempts = 0

    async def rename(*ids: UUID) -> None:
        async def work(session: WriteSession) -> None:
            nonlocal attempts
            attempts += 1
            for gizmo_id in ids:
                await session.execute(
                    update(Gizmo).where(Gizmo.id == gizmo_id).values(note=f"After {ids[0]}")
                )
                if gizmo_id == ids[0] and attempts <= 2:
                    await both_locked.wait()

        await state["database"].transaction(work)

    async with asyncio.TaskGroup() as group:
        group.create_task(rename(first, second))
        group.create_task(rename(second, first))

    assert attempts >= 3
    async with state["database"].read() as session:
        notes = set(await session.scalars(select(Gizmo.note)))
    assert notes in ({f"After {first}"}, {f"After {second}"})
# {% endif %}
