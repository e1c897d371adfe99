"""What is compiled once answers like a session: the same values, the same errors."""

# {% if postgresql %}
import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Dialect,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Text,
    TypeDecorator,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Mapped, mapped_column, selectinload

from {{ package_name }}.database import pools
from {{ package_name }}.database.base import Base, Entity
from {{ package_name }}.database.driver import fault_of, place_of
from {{ package_name }}.database.engine import Database
# {% if database_driver == "asyncpg" %}
from {{ package_name }}.database.errors import (
    DatabaseUnavailable,
    StatementTimeout,
)
# {% else %}
from {{ package_name }}.database.errors import DatabaseUnavailable
# {% endif %}
from {{ package_name }}.database.faults import Fault
from {{ package_name }}.database.gate import Overloaded
from {{ package_name }}.fast import connections
from {{ package_name }}.fast.connections import Plan, Statement, reading
from {{ package_name }}.fast.statements import Nested, NewRow, Query, names_of
from {{ package_name }}.lifespan import State
from {{ package_name }}.settings import Settings

from tests.databases import run_admin_sql
# {% if database_driver == "asyncpg" %}
from tests.faults.network import Network
# {% endif %}
from tests.faults.pools import OWN_NUMBER, assert_all_returned
from tests.faults.statements import assert_none_runs, until_running
from tests.sample import LENGTH, Cog, Gizmo
from tests.support import GIZMO, statements, tables
# {% else %}
from dataclasses import dataclass
from datetime import UTC
# {% if database_driver == "asyncmy" %}
from unittest.mock import AsyncMock
# {% endif %}
from uuid import UUID, uuid4

import pytest
from sqlalchemy import MetaData, String, bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, selectinload

# {% if database_driver == "asyncmy" %}
from {{ package_name }}.database import pools
# {% endif %}
from {{ package_name }}.database.base import Base, Entity
from {{ package_name }}.database.engine import Database
from {{ package_name }}.database.gate import Overloaded
from {{ package_name }}.fast.statements import Nested, NewRow, Query
from {{ package_name }}.lifespan import State
from {{ package_name }}.settings import Settings

from tests.faults.pools import assert_all_returned
from tests.sample import LENGTH, Cog, Gizmo
from tests.support import GIZMO, statements, tables
# {% endif %}


@dataclass
class GizmoRow:
    id: UUID
    name: str
    note: str


_ROWS = select(Gizmo.id, Gizmo.name, Gizmo.note)

GIZMO_ROW = Query(GizmoRow, _ROWS.where(Gizmo.id == bindparam("id")))
GIZMO_ROWS = Query(GizmoRow, _ROWS.order_by(Gizmo.id))
NEW_GIZMO = NewRow(GizmoRow, Gizmo)


async def test_what_is_added_is_read(state: State) -> None:
    database = state["database"]
    rows = [await NEW_GIZMO.add(database, GIZMO | {"name": name}) for name in ("Orrery", "Sextant")]

    assert await GIZMO_ROWS.all(database) == rows
    assert await GIZMO_ROW.first(database, id=rows[1].id) == rows[1]
    assert await GIZMO_ROW.first(database, id=uuid4()) is None
    async with database.read() as session:
        gizmo = await session.get(Gizmo, rows[0].id)
    assert gizmo
    assert (gizmo.name, gizmo.note) == (rows[0].name, rows[0].note)
    assert gizmo.created_at.tzinfo is UTC


@dataclass
class CogRow:
    id: UUID
    gizmo_id: UUID


@dataclass
class GizmoWithCogs(GizmoRow):
    cogs: list[CogRow]


async def test_related_rows_are_those_that_a_session_loads(state: State) -> None:
    database = state["database"]
    async with database.write() as session:
        for number in range(3):
            gizmo = Gizmo(**GIZMO | {"name": f"Orrery {number}"})
            gizmo.cogs = [Cog() for _ in range(number)]
            session.add(gizmo)
    gizmos = Nested(GizmoWithCogs, _ROWS.order_by(Gizmo.id), Gizmo.cogs, CogRow)

    with statements(database.read_engine) as sent:
        rows = await gizmos.all(database)

    assert len(sent) == 2
    assert await gizmos.all(database) == rows
    async with database.read() as session:
        entities = await session.scalars(
            select(Gizmo).order_by(Gizmo.id).options(selectinload(Gizmo.cogs))
        )
    assert rows == [
        GizmoWithCogs(
            gizmo.id, gizmo.name, gizmo.note, [CogRow(cog.id, cog.gizmo_id) for cog in gizmo.cogs]
        )
        for gizmo in entities
    ]


async def test_where_there_are_no_rows_nothing_related_is_read(state: State) -> None:
    gizmos = Nested(GizmoWithCogs, _ROWS, Gizmo.cogs, CogRow)

    with statements(state["database"].read_engine) as sent:
        assert await gizmos.all(state["database"]) == []

    assert len(sent) == 1


class Remark(Entity):
    __tablename__ = "remarks"
    metadata = MetaData()

    label: Mapped[str | None] = mapped_column(String(LENGTH))


@dataclass
class RemarkRow:
    id: UUID
    label: str | None


async def test_what_may_be_null_can_be_left_out(state: State) -> None:
    database = state["database"]
    async with tables(database.write_engine, Remark.metadata):
        row = await NewRow(RemarkRow, Remark).add(database, {})
        remarks = Query(RemarkRow, select(Remark.id, Remark.label))
        assert await remarks.all(database) == [row]
        assert row.label is None


async def test_whoever_listens_sees_each_statement(state: State) -> None:
    database = state["database"]

    with statements(database.write_engine) as written:
        row = await NEW_GIZMO.add(database, GIZMO)
    with statements(database.read_engine) as read:
        assert await GIZMO_ROWS.all(database) == [row]

    assert written
    assert read


async def test_statements_wait_at_the_gates(settings: Settings) -> None:
    small = {"database_pool_size": 1, "database_max_overflow": 0, "database_pool_timeout": 0.01}
    async with Database.open(settings.model_copy(update=small)) as database:
        gizmos = Nested(GizmoWithCogs, _ROWS, Gizmo.cogs, CogRow)
        async with database.read_gate:
            with pytest.raises(Overloaded):
                await GIZMO_ROWS.all(database)
            with pytest.raises(Overloaded):
                await gizmos.all(database)
        async with database.write_gate:
            with pytest.raises(Overloaded):
                await NEW_GIZMO.add(database, GIZMO)


async def test_a_connection_is_given_back(state: State, settings: Settings) -> None:
    database = state["database"]
    await NEW_GIZMO.add(database, GIZMO)
    await GIZMO_ROWS.all(database)
    # {% if postgresql %}
    with pytest.raises(DBAPIError):
        await NEW_GIZMO.add(database, GIZMO)
    # {% else %}
    with pytest.raises(IntegrityError):
        await NEW_GIZMO.add(database, GIZMO)
    # {% endif %}

    await assert_all_returned(database, connections=settings.database_pool_size)


# {% if database_driver != "aiosqlite" %}
async def test_after_a_quiet_time_connections_may_be_lost(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = state["database"].read_watch
    connect = AsyncMock(wraps=watch._connect)
    monkeypatch.setattr(watch, "_connect", connect)
    monkeypatch.setattr(pools, "QUIET_SECONDS", -1)

    assert await GIZMO_ROWS.all(state["database"]) == []
    with statements(state["database"].read_engine):
        assert await GIZMO_ROWS.all(state["database"]) == []

    assert connect.await_count == 2


# {% endif %}
def test_columns_are_the_fields_of_the_row() -> None:
    with pytest.raises(TypeError, match="the fields of GizmoRow in their order"):
        Query(GizmoRow, select(Gizmo.id, Gizmo.note, Gizmo.name))


def test_what_only_the_database_knows_cannot_be_returned() -> None:
    class Counted(Entity):
        __tablename__ = "counted"

        number: Mapped[int] = mapped_column(server_default="1")

    try:
        with pytest.raises(TypeError, match=r"counted\.number"):
            NewRow(GizmoRow, Counted)
    finally:
        Base.metadata.remove(Base.metadata.tables["counted"])
# {% if postgresql %}


async def test_a_list_of_values_is_refused(state: State) -> None:
    query = Query(GizmoRow, _ROWS.where(Gizmo.id.in_(bindparam("ids", expanding=True))))

    with pytest.raises(TypeError, match=r"any_\(\)"):
        await query.all(state["database"], ids=[uuid4()])


class Kind(Enum):
    GOOD = auto()
    BAD = auto()


class Reversed(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return value and value[::-1]

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        return value and value[::-1]


class Reading(Entity):
    """Columns of all types that models use, and of some that they may."""

    __tablename__ = "readings"
    metadata = MetaData()

    flag: Mapped[bool]
    number: Mapped[int] = mapped_column(BigInteger)
    ratio: Mapped[float]
    price: Mapped[Decimal] = mapped_column(Numeric(14, 4))
    rough: Mapped[float] = mapped_column(Numeric(14, 4, asdecimal=False))
    label: Mapped[str | None] = mapped_column(Text)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    day: Mapped[date]
    hour: Mapped[time]
    length: Mapped[timedelta]
    kind: Mapped[Kind]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    notes: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    other: Mapped[UUID]
    secret: Mapped[str] = mapped_column(Reversed)


@dataclass
class ReadingRow:
    id: UUID
    created_at: datetime
    flag: bool
    number: int
    ratio: float
    price: Decimal
    rough: float
    label: str | None
    data: bytes
    day: date
    hour: time
    length: timedelta
    kind: Kind
    tags: list[str]
    body: dict[str, Any]
    notes: list[Any] | None
    other: UUID
    secret: str


READINGS = Query(
    ReadingRow,
    select(*[getattr(Reading, name) for name in names_of(ReadingRow)]).order_by(Reading.id),
)
NEW_READING = NewRow(ReadingRow, Reading)


def generated(chance: random.Random) -> dict[str, Any]:
    """Return the values of a reading."""
    word = "".join(chance.choices("aß☃'\"\\%:𝔘 ", k=chance.randrange(20)))
    return {
        "flag": chance.random() < 0.5,
        "number": chance.randrange(-(2**63), 2**63),
        "ratio": chance.uniform(-1e300, 1e300),
        "price": Decimal(chance.randrange(-(10**14), 10**14)).scaleb(-4),
        "rough": chance.randrange(10**6) / 4,
        "label": chance.choice([None, word]),
        "data": chance.randbytes(chance.randrange(20)),
        "day": date.fromordinal(chance.randrange(1, date.max.toordinal())),
        "hour": time(chance.randrange(24), microsecond=chance.randrange(10**6)),
        "length": timedelta(microseconds=chance.randrange(-(10**15), 10**15)),
        "kind": chance.choice(list(Kind)),
        "tags": [word] * chance.randrange(3),
        "body": {word: [1, None, {"": chance.random()}]},
        "notes": chance.choice([None, [], [word, True]]),
        "other": UUID(int=chance.getrandbits(128)),
        "secret": word,
    }


@pytest.fixture
async def readings(state: State) -> AsyncIterator[Database]:
    """The database with an empty table of readings."""
    database = state["database"]
    async with tables(database.write_engine, Reading.metadata):
        yield database


async def test_values_are_those_of_a_session(readings: Database) -> None:
    chance = random.Random(1)  # noqa: S311 - data, no secret
    added = []
    for _ in range(50):
        added.append(await NEW_READING.add(readings, generated(chance)))
        async with readings.write() as session:
            session.add(Reading(**generated(chance)))

    rows = await READINGS.all(readings)

    async with readings.read() as session:
        entities = await session.scalars(select(Reading).order_by(Reading.id))
    expected = [
        ReadingRow(**{field.name: getattr(entity, field.name) for field in fields(ReadingRow)})
        for entity in entities
    ]
    assert rows == expected
    assert [row for row in rows if row.id in {row.id for row in added}] == added
    for row, other in zip(rows, expected, strict=True):
        for name in names_of(ReadingRow):
            assert type(getattr(row, name)) is type(getattr(other, name)), name


@pytest.mark.parametrize(
    "values",
    [
        GIZMO,
        GIZMO | {"name": "a" * (LENGTH + 1)},
        GIZMO | {"name": "a\0b"},
        GIZMO | {"name": None},
        GIZMO | {"name": object()},
        GIZMO | {"id": "no id"},
        GIZMO | {"created_at": datetime(2020, 1, 1, tzinfo=UTC).date()},
    ],
    ids=["duplicate", "long", "nul", "null", "object", "id", "date"],
)
async def test_errors_are_those_of_a_session(values: dict[str, Any], state: State) -> None:
    database = state["database"]
    await NEW_GIZMO.add(database, GIZMO)

    with pytest.raises(StatementError) as expected:
        async with database.write() as session:
            await session.execute(insert(Gizmo), values)
    with pytest.raises(StatementError) as raised:
        await NEW_GIZMO.add(database, values)

    assert type(raised.value) is type(expected.value)
    if isinstance(expected.value, DBAPIError):
        assert isinstance(raised.value, DBAPIError)
        assert fault_of(raised.value) is fault_of(expected.value)
        assert place_of(raised.value) == place_of(expected.value)
    assert (GIZMO["note"] in str(raised.value)) is (GIZMO["note"] in str(expected.value))
    assert len(await GIZMO_ROWS.all(database)) == 1


class Mood(Enum):
    GOOD = auto()


class Diary(Entity):
    __tablename__ = "diaries"
    metadata = MetaData()

    mood: Mapped[Mood]


@dataclass
class DiaryRow:
    id: UUID
    mood: Mood


async def test_prepared_statements_outlive_a_migration(settings: Settings) -> None:
    new, rows = NewRow(DiaryRow, Diary), Query(DiaryRow, select(Diary.id, Diary.mood))
    async with (
        Database.open(settings) as database,
        tables(database.write_engine, Diary.metadata),
    ):
        # A driver may prepare only what it has seen a few times.
        stored = [await new.add(database, {"mood": Mood.GOOD}) for _ in range(10)]
        for statement in (
            "ALTER TABLE diaries ALTER mood TYPE text",
            "DROP TYPE mood",
            "CREATE TYPE mood AS ENUM ('GOOD')",
            "ALTER TABLE diaries ALTER mood TYPE mood USING mood::mood",
        ):
            await run_admin_sql(settings.database_url, statement)

        stored.append(await new.add(database, {"mood": Mood.GOOD}))

        assert await rows.all(database) == stored


async def test_a_value_that_is_left_out_is_named(state: State) -> None:
    with pytest.raises(StatementError, match="'id'"):
        await GIZMO_ROW.first(state["database"])


@dataclass
class Slow:
    number: int


SLOW = Query(Slow, select(func.length(func.pg_sleep(60).op("::")(text("text"))).label("number")))


async def own_number(database: Database) -> int:
    """Return what the server calls the connection that the next read gets."""
    async with database.read() as session:
        return int(await session.scalar(OWN_NUMBER) or 0)


async def test_a_statement_that_takes_too_long_is_stopped(settings: Settings) -> None:
    short = settings.model_copy(update={"statement_timeout": 0.1})
    async with Database.open(short) as database:
        with pytest.raises(DBAPIError) as raised:
            await SLOW.first(database)

    assert fault_of(raised.value) is Fault.STATEMENT_TIMEOUT


async def test_a_cancelled_statement_ends_on_the_server(state: State, settings: Settings) -> None:
    async with Database.open(settings) as database:
        first = await own_number(database)
        task = asyncio.ensure_future(SLOW.first(database))
        await until_running(state)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await assert_all_returned(database, connections=settings.database_pool_size)
        await assert_none_runs(state)
        assert await own_number(database) != first


@dataclass
class Ended:
    done: bool


END = Query(Ended, select(func.pg_terminate_backend(func.pg_backend_pid()).label("done")))


async def test_a_lost_connection_is_told_and_replaced(state: State, settings: Settings) -> None:
    database = state["database"]

    with pytest.raises(DBAPIError) as raised:
        await END.first(database)

    assert fault_of(raised.value) is Fault.DISCONNECTED
    assert await GIZMO_ROWS.all(database) == []
    await assert_all_returned(database, connections=settings.database_pool_size)


async def test_an_error_of_the_ping_is_told(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    database = state["database"]
    await GIZMO_ROWS.all(database)
    dialect: Any = database.read_engine.dialect

    def fail(_connection: object) -> None:
        message = "this statement was stopped"
        raise dialect.loaded_dbapi.Error(message)

    monkeypatch.setattr(dialect, "do_ping", fail)
    with pytest.raises(DBAPIError, match="was stopped"):
        await GIZMO_ROWS.all(database)


async def test_a_server_that_refuses_is_told(settings: Settings) -> None:
    absent = settings.database_url.set(database="absent")
    async with Database.open(settings.model_copy(update={"database_url": absent})) as database:
        with pytest.raises(DatabaseUnavailable):
            await GIZMO_ROWS.all(database)

        await assert_all_returned(database, connections=settings.database_pool_size)


async def test_a_network_that_fails_is_told(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = state["database"]
    with monkeypatch.context() as patch:
        patch.setattr(AsyncEngine, "raw_connection", AsyncMock(side_effect=ConnectionError))
        with pytest.raises(DatabaseUnavailable):
            await GIZMO_ROWS.all(database)
    number = await own_number(database)
    with monkeypatch.context() as patch:
        patch.setattr(Plan, "arguments", Mock(side_effect=ConnectionError))
        with pytest.raises(DatabaseUnavailable):
            await GIZMO_ROWS.all(database)

    await assert_all_returned(database, connections=settings.database_pool_size)
    assert await own_number(database) != number


async def test_a_second_run_that_fails_is_told(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "is_outdated", lambda _: True)

    async with reading(state["database"]) as connection:
        with pytest.raises(DBAPIError, match="division by zero"):
            await connection.fetch(Statement(select(literal_column("1 / 0"))), {})


# {% if database_driver == "asyncpg" %}
async def test_a_server_that_no_longer_answers_is_told(settings: Settings) -> None:
    async with Network.before(settings.database_url) as (network, url):
        short = {"database_url": url, "statement_timeout": 0.1}
        async with Database.open(settings.model_copy(update=short)) as database:
            async with reading(database) as connection:
                network.hang()
                with pytest.raises(StatementTimeout):
                    await connection.fetch(Statement(_ROWS), {})
            network.mend()

            assert await GIZMO_ROWS.all(database) == []
            await assert_all_returned(database, connections=settings.database_pool_size)


# {% endif %}
async def test_connections_of_the_overflow_are_closed(settings: Settings) -> None:
    one = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 1})
    async with Database.open(one) as database:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(GIZMO_ROWS.all(database))

        await assert_all_returned(database, connections=2)
        assert database.read_engine.pool.checkedin() == 1  # type: ignore[attr-defined]  # of this pool


async def test_a_transaction_after_inserts_is_one(state: State, settings: Settings) -> None:
    one = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    async with Database.open(one) as database:
        await NEW_GIZMO.add(database, GIZMO)
        with pytest.raises(DBAPIError):
            await NEW_GIZMO.add(database, GIZMO)
        async with database.write() as session:
            session.add(Gizmo(**GIZMO | {"name": "Sextant"}))
            await session.flush()
            await session.rollback()

    assert [row.name for row in await GIZMO_ROWS.all(state["database"])] == [GIZMO["name"]]
# {% endif %}
