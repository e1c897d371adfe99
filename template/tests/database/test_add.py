"""An entity that is added by itself."""

# {% if postgresql %}
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import ForeignKey, MetaData, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from {{ package_name }}.database import engine
from {{ package_name }}.database.base import Entity
from {{ package_name }}.database.engine import Database
from {{ package_name }}.settings import Settings

from tests.support import tables

LAST_STATEMENT = text("SELECT query FROM pg_stat_activity WHERE pid = :number")


class Sample(Entity):
    __abstract__ = True

    metadata = MetaData()


class Shelf(Sample):
    __tablename__ = "shelves"

    label: Mapped[str] = mapped_column(unique=True)
    level: Mapped[int] = mapped_column(server_default="3")

    books: Mapped[list["Book"]] = relationship(lazy="raise", back_populates="shelf")


class LongShelf(Shelf):
    """A row in each of two tables."""

    __tablename__ = "long_shelves"

    id: Mapped[UUID] = mapped_column(ForeignKey("shelves.id"), primary_key=True)
    metres: Mapped[int]


class Book(Sample):
    __tablename__ = "books"

    shelf_id: Mapped[UUID] = mapped_column(ForeignKey("shelves.id"))

    shelf: Mapped[Shelf] = relationship(lazy="raise", back_populates="books")


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    one = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    async with (
        Database.open(one) as database,
        tables(database.write_engine, Sample.metadata),
    ):
        yield database


async def labels(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(Shelf.label).order_by(Shelf.label)))


async def last_statement(database: Database) -> str:
    """Return what the connection of the writes has run last."""
    async with database.write_engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver
        # {% if database_driver == "asyncpg" %}
        number = driver.get_server_pid()
        # {% else %}
        number = driver.info.backend_pid
        # {% endif %}
    async with database.read() as session:
        statement: str = (await session.execute(LAST_STATEMENT, {"number": number})).scalar_one()
        return statement


async def test_an_insert_commits_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A ping would be what the connection has run last.
    monkeypatch.setattr(engine, "PING_AFTER_SECONDS", 3600)
    shelf = await database.add(Shelf(label="A"))

    assert (await last_statement(database)).startswith("INSERT INTO shelves")
    assert shelf.level == 3
    assert await labels(database) == ["A"]


async def test_the_connection_begins_transactions_again(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.write() as session:
            session.add(Shelf(label="B"))
            await session.flush()
            session.add(Shelf(label="A"))

    await database.add(Shelf(label="A"))

    with pytest.raises(IntegrityError):
        await write_and_fail()

    assert await labels(database) == ["A"]


async def test_an_insert_that_fails_leaves_nothing(database: Database) -> None:
    await database.add(Shelf(label="A"))

    with pytest.raises(IntegrityError):
        await database.add(Shelf(label="A"))
    with pytest.raises(IntegrityError):
        await database.add(Book(shelf_id=uuid4()))

    assert await labels(database) == ["A"]
    assert database.write_gate.free == 1


@pytest.mark.parametrize(
    "entity",
    [
        LongShelf(label="A", metres=2),
        Shelf(label="A", books=[Book()]),
        Book(shelf=Shelf(label="A")),
    ],
    ids=["two tables", "related rows", "related row"],
)
async def test_more_than_a_row_is_refused(database: Database, entity: Entity) -> None:
    with pytest.raises(ValueError, match="WriteSession"):
        await database.add(entity)

    assert await labels(database) == []
# {% else %}
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from {{ package_name }}.lifespan import State

from tests.sample import Gizmo
from tests.support import GIZMO


async def test_an_entity_is_stored(state: State) -> None:
    database = state["database"]

    gizmo = await database.add(Gizmo(**GIZMO))
    with pytest.raises(IntegrityError):
        await database.add(Gizmo(**GIZMO))

    async with database.read() as session:
        assert list(await session.scalars(select(Gizmo.id))) == [gizmo.id]
# {% endif %}
