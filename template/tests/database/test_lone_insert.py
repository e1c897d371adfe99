"""Which commits need no transaction: those of one INSERT, which cannot be done by halves."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
from sqlalchemy import ForeignKey, MetaData, event, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from {{ package_name }}.database.base import Entity
from {{ package_name }}.database.engine import Database
from {{ package_name }}.database.session import WriteSession
from {{ package_name }}.settings import Settings

OWN_NUMBER = text("SELECT pg_backend_pid()")
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
    async with Database.open(one) as database:
        async with database.write_engine.begin() as connection:
            await connection.run_sync(Sample.metadata.create_all)
        yield database
        async with database.write_engine.begin() as connection:
            await connection.run_sync(Sample.metadata.drop_all)


async def last_statement(database: Database, *entities: Entity) -> str:
    """Add the entities, and return what the connection has run last for that."""
    number = await own_number(database)
    async with database.write() as session:
        session.add_all(entities)
    return await last_statement_of(database, number)


async def own_number(database: Database) -> int:
    async with database.write_engine.connect() as connection:
        number: int = (await connection.execute(OWN_NUMBER)).scalar_one()
        return number


async def last_statement_of(database: Database, number: int) -> str:
    async with database.read() as session:
        statement: str = (await session.execute(LAST_STATEMENT, {"number": number})).scalar_one()
        return statement


async def labels(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(Shelf.label).order_by(Shelf.label)))


async def test_a_lone_insert_commits_itself(database: Database) -> None:
    shelf = Shelf(label="A")

    statement = await last_statement(database, shelf)

    assert statement.startswith("INSERT INTO shelves")
    assert shelf.level == 3
    assert await labels(database) == ["A"]


async def test_the_connection_begins_transactions_again(database: Database) -> None:
    await last_statement(database, Shelf(label="A"))

    with pytest.raises(IntegrityError):
        await last_statement(database, Shelf(label="B"), Shelf(label="A"))

    assert await labels(database) == ["A"]


async def test_a_lone_insert_that_fails_leaves_nothing(database: Database) -> None:
    await last_statement(database, Shelf(label="A"))

    with pytest.raises(IntegrityError):
        await last_statement(database, Shelf(label="A"))

    assert await labels(database) == ["A"]


MORE_THAN_A_ROW: list[Callable[[], list[Entity]]] = [
    lambda: [Shelf(label="A"), Shelf(label="B")],
    lambda: [LongShelf(label="A", metres=2)],
    lambda: [Shelf(label="A", books=[Book()])],
    lambda: [Shelf(label="A", books=[])],
]


@pytest.mark.parametrize("make", MORE_THAN_A_ROW)
async def test_more_than_a_row_is_a_transaction(
    database: Database, make: Callable[[], list[Entity]]
) -> None:
    assert (await last_statement(database, *make())).startswith("COMMIT")


async def test_a_row_of_a_session_that_knows_others_is_part_of_a_transaction(
    database: Database,
) -> None:
    shelf = Shelf(label="A")
    await last_statement(database, shelf)
    shelf.label = "B"

    assert (await last_statement(database, shelf, Shelf(label="C"))).startswith("COMMIT")
    assert await labels(database) == ["B", "C"]


async def test_a_row_after_a_statement_is_part_of_a_transaction(database: Database) -> None:
    async def insert_and_fail() -> None:
        async with database.write() as session:
            await session.execute(text("SELECT 1"))
            session.add(Shelf(label="A"))
            await session.flush()
            session.add(Shelf(label="A"))

    with pytest.raises(IntegrityError):
        await insert_and_fail()

    assert await labels(database) == []


async def test_a_row_within_a_savepoint_is_part_of_a_transaction(database: Database) -> None:
    number = await own_number(database)

    async with database.write() as session:
        await session.begin_nested()
        session.add(Shelf(label="A"))

    assert (await last_statement_of(database, number)).startswith("COMMIT")
    assert await labels(database) == ["A"]


def the_session(session: WriteSession) -> object:
    return session.sync_session


def the_model(_session: WriteSession) -> object:
    return Shelf


def the_engine(session: WriteSession) -> object:
    return session.get_bind()


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (the_session, "after_begin"),
        (the_session, "before_commit"),
        (the_session, "before_flush"),
        (the_session, "after_flush"),
        (the_session, "after_flush_postexec"),
        (the_model, "before_insert"),
        (the_model, "after_insert"),
        (the_engine, "begin"),
    ],
)
async def test_a_row_is_part_of_a_transaction_for_whoever_listens(
    database: Database, target: Callable[[WriteSession], object], name: str
) -> None:
    number = await own_number(database)
    heard: list[str] = []

    def hear(*_: object) -> None:
        heard.append(name)

    async with database.write() as session:
        event.listen(target(session), name, hear)
        session.add(Shelf(label="A"))
    if target is the_model:
        event.remove(Shelf, name, hear)

    assert heard
    assert (await last_statement_of(database, number)).startswith("COMMIT")
