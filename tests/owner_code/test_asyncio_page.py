"""The samples of SQLAlchemy's page on asyncio, as an owner writes them on our sessions."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, MetaData, String, event, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import (
    Mapped,
    Session,
    WriteOnlyMapped,
    mapped_column,
    relationship,
    selectinload,
)

from order_desk.database.base import Entity
from order_desk.database.engine import Database
from order_desk.database.pools import PoolWatch
from order_desk.database.types import Id
from order_desk.settings import Settings

from tests.support import tables

METADATA = MetaData()


class A(AsyncAttrs, Entity):
    __tablename__ = "owner_a"
    metadata = METADATA

    data: Mapped[str] = mapped_column(String(20))
    bs: Mapped[list["B"]] = relationship(order_by="B.data")
    many: WriteOnlyMapped["B"] = relationship(viewonly=True)


class B(AsyncAttrs, Entity):
    __tablename__ = "owner_b"
    metadata = METADATA

    a_id = mapped_column(Id, ForeignKey("owner_a.id"))
    data: Mapped[str] = mapped_column(String(20))


@pytest.fixture(params=[0, 3600], ids=["after a quiet time", "busy"])
async def database(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    monkeypatch.setattr(f"{PoolWatch.__module__}.QUIET_SECONDS", request.param, raising=False)
    async with Database.open(settings) as database, tables(database.write_engine, METADATA):
        async with database.write() as session:
            session.add_all([A(data="a1", bs=[B(data="b1"), B(data="b2")]), A(data="a2", bs=[])])
        yield database


FIRST = select(A).order_by(A.data).limit(1)


async def test_objects_are_selected_with_their_collections(database: Database) -> None:
    async with database.read() as session:
        found = (
            await session.scalars(select(A).order_by(A.data).options(selectinload(A.bs)))
        ).all()

    assert [[b.data for b in a.bs] for a in found] == [["b1", "b2"], []]


async def test_what_was_changed_can_be_read_after_the_commit(database: Database) -> None:
    async with database.write() as session:
        a = (await session.scalars(FIRST)).one()
        a.data = "new data"

    assert a.data == "new data"


async def test_collections_are_loaded_on_demand(database: Database) -> None:
    async with database.read() as session:
        a = (await session.scalars(FIRST)).one()
        assert [b.data for b in await a.awaitable_attrs.bs] == ["b1", "b2"]
        await session.refresh(a, ["bs"])
        assert len(a.bs) == 2
        assert len((await session.scalars(a.many.select())).all()) == 2


async def test_synchronous_functions_run(database: Database) -> None:
    def update(session: Session) -> list[str]:
        a = session.scalars(FIRST).one()
        a.data = "new data"
        return [b.data for b in a.bs]

    async with database.write() as session:
        assert await session.run_sync(update) == ["b1", "b2"]


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_results_are_streamed(database: Database, kind: str) -> None:
    async with getattr(database, kind)() as session:
        streamed = await session.stream_scalars(select(A.data).execution_options(yield_per=1))
        assert sorted([data async for data in streamed]) == ["a1", "a2"]


async def test_a_transaction_begins_when_it_is_asked_for(database: Database) -> None:
    async with database.read() as session:
        assert not session.in_transaction()
        async with session.begin():
            assert await session.scalar(select(func.count()).select_from(A)) == 2
        assert not session.in_transaction()
        async with session.begin_nested():
            assert session.in_nested_transaction()
            assert await session.scalar(select(func.count()).select_from(B)) == 2


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_a_session_has_an_isolation_level(database: Database, kind: str) -> None:
    options = {"isolation_level": "SERIALIZABLE"}
    async with getattr(database, kind)() as session:
        connection = await session.connection(execution_options=options)
        assert await connection.get_isolation_level() == "SERIALIZABLE"
        assert await session.connection() is not None


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_events_are_told(database: Database, kind: str) -> None:
    seen: list[str] = []

    def note(name: str) -> Any:
        return lambda *_: seen.append(name)

    async with getattr(database, kind)() as session:
        for name in ("after_begin", "before_commit", "after_commit"):
            event.listen(session.sync_session, name, note(name))
        assert seen == []
        await session.scalar(select(A.data).limit(1))
        assert seen == ["after_begin"]
        await session.commit()

    assert seen == ["after_begin", "before_commit", "after_commit"]


async def test_the_inspector_tells_the_tables(database: Database) -> None:
    async with database.read_engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())

    assert {"owner_a", "owner_b"} <= set(names)
