"""Rows that are inserted at once are those that a session would insert."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import ARRAY, JSON, MetaData, Numeric, String, Text, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from {{ package_name }}.database.base import Entity
from {{ package_name }}.database.driver import fault_of
from {{ package_name }}.database.engine import Database
from {{ package_name }}.database.faults import Fault
from {{ package_name }}.database.repository import AsyncRepository
from {{ package_name }}.database.types import UtcDateTime
from {{ package_name }}.settings import Settings

from tests.support import statements, tables


class Kind(Enum):
    GOOD = auto()
    BAD = auto()


class Sample(Entity):
    """Columns of all plain types, and of some that are not."""

    __tablename__ = "samples"
    metadata = MetaData()

    label: Mapped[str | None] = mapped_column(String(20))
    number: Mapped[int] = mapped_column(default=7)
    level: Mapped[int] = mapped_column(server_default="3")
    ratio: Mapped[float | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(14, 4))
    flag: Mapped[bool | None]
    data: Mapped[bytes | None]
    day: Mapped[date | None]
    hour: Mapped[time | None]
    length: Mapped[timedelta | None]
    moment: Mapped[datetime | None] = mapped_column(UtcDateTime)
    other: Mapped[UUID | None]
    kind: Mapped[Kind | None]
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    notes: Mapped[list[Any] | None] = mapped_column(JSON)


class SampleRepository(AsyncRepository[Sample]):
    model = Sample


PLAIN: list[dict[str, Any]] = [
    {
        "label": "aß☃'\"\\%:𝔘",
        "ratio": 0.1,
        "price": Decimal("1234.5000"),
        "flag": True,
        "data": b"\0\xff",
        "day": date(2020, 2, 29),
        "hour": time(23, 59, 59, 999_999),
        "length": timedelta(days=-1, microseconds=1),
        "moment": datetime(2020, 2, 29, 12, tzinfo=UTC),
        "other": uuid4(),
    },
    dict.fromkeys(
        ("label", "ratio", "price", "flag", "data", "day", "hour", "length", "moment", "other")
    ),
]
OTHERS: list[list[dict[str, Any]]] = [
    [{"label": "one"}, {"number": 2}],
    [{"kind": Kind.GOOD}, {"kind": None}],
    [{"tags": ["a", "b"]}, {"tags": []}],
    [{"notes": [1, {"a": None}]}, {"notes": []}],
]


@pytest.fixture
async def samples(settings: Settings) -> AsyncIterator[Database]:
    """A database with an empty table of samples."""
    async with (
        Database.open(settings) as database,
        tables(database.write_engine, Sample.metadata),
    ):
        yield database


async def insert(database: Database, rows: list[dict[str, Any]]) -> list[Any]:
    """Insert the rows at once and return the parameters that were sent."""
    with statements(database.write_engine) as sent:
        async with database.write() as session:
            assert await SampleRepository(session).add_many(rows) == len(rows)
    return sent


async def read(database: Database) -> list[Sample]:
    async with database.read() as session:
        return list(await session.scalars(select(Sample).order_by(Sample.id)))


@pytest.mark.parametrize("rows", [PLAIN, *OTHERS])
async def test_rows_are_as_they_were_given(samples: Database, rows: list[dict[str, Any]]) -> None:
    await insert(samples, rows)

    for given, row in zip(rows, await read(samples), strict=True):
        defaults = {"number": 7, "level": 3, "label": None, "tags": None}
        assert {name: getattr(row, name) for name in defaults | given} == defaults | given
        assert row.id.version == 7
        assert row.created_at.tzinfo is UTC


async def test_columns_are_sent_at_once(samples: Database) -> None:
    (sent,) = await insert(samples, PLAIN)

    arrays = sent.values() if isinstance(sent, dict) else sent
    assert ["aß☃'\"\\%:𝔘", None] in list(arrays)


async def test_no_value_of_a_row_is_left_out(samples: Database) -> None:
    await insert(samples, [{"label": "one"}, {"label": "two", "number": 2}])

    assert [row.number for row in await read(samples)] == [7, 2]


async def test_a_string_that_is_too_long_is_refused_and_not_cut(samples: Database) -> None:
    with pytest.raises(DBAPIError) as refused:
        await insert(samples, [{"label": "one"}, {"label": "x" * 21}])

    assert fault_of(refused.value) is Fault.BAD_VALUE
    assert not await read(samples)
