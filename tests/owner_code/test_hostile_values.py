"""Whatever a client sends is stored as it was answered, or is a 422 that names its field."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from operator import itemgetter
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints
from sqlalchemy import JSON, BigInteger, Double, MetaData, Numeric, String, Text, select, text
from sqlalchemy.orm import Mapped, mapped_column

from order_desk.database.base import NAMING_CONVENTION, Entity
from order_desk.database.dependencies import ReadSessionDep, WriteSessionDep
from order_desk.database.types import UtcDateTime
from order_desk.lifespan import State
from order_desk.web.json_data import JsonData
from order_desk.web.problems import NotFound
from order_desk.web.schemas import (
    TEXT,
    Int32,
    Int64,
    Moment,
    RequestModel,
    ResponseModel,
)

from tests.conftest import MakeClient
from tests.support import assert_problem, bad_fields, tables

METADATA = MetaData(naming_convention=NAMING_CONVENTION)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Thing(Entity):
    __tablename__ = "owner_things"
    metadata = METADATA

    number: Mapped[int | None]
    big: Mapped[int | None] = mapped_column(BigInteger)
    name: Mapped[str | None] = mapped_column(String(20))
    text: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    ratio: Mapped[float | None] = mapped_column(Double)
    color: Mapped[Color | None]
    data: Mapped[Any | None] = mapped_column(JSON)


class ThingCreate(RequestModel):
    """As the guide has the fields of columns."""

    number: Int32 | None = None
    big: Int64 | None = None
    name: Annotated[str, StringConstraints(max_length=20, pattern=TEXT)] | None = None
    text: Annotated[str, StringConstraints(max_length=10_000, pattern=TEXT)] | None = None
    at: Moment | None = None
    price: Annotated[Decimal, Field(max_digits=10, decimal_places=2)] | None = None
    ratio: float | None = None
    color: Color | None = None
    data: JsonData | None = None


class ThingRead(ResponseModel):
    id: UUID
    number: int | None
    big: int | None
    name: str | None
    text: str | None
    at: datetime | None
    price: Decimal | None
    ratio: float | None
    color: Color | None
    data: Any | None


router = APIRouter(prefix="/owner/things")


@router.post("", status_code=201, response_model=ThingRead)
async def create_thing(data: ThingCreate, session: WriteSessionDep) -> Thing:
    thing = Thing(**data.model_dump())
    session.add(thing)
    await session.flush()
    return thing


@router.get("", response_model=list[ThingRead])
async def find_things(
    data: Annotated[ThingCreate, Query()], session: ReadSessionDep
) -> list[Thing]:
    asked = data.model_dump(exclude_unset=True)
    conditions = [getattr(Thing, name) == value for name, value in asked.items()]
    return [*await session.scalars(select(Thing).where(*conditions))]


@router.get("/named")
async def count_named(name: str, session: ReadSessionDep) -> int:
    """As somebody writes it who has not thought of it."""
    things = await session.scalars(select(Thing).where(Thing.name == name))
    return len(things.all())


@router.get("/{thing_id}", response_model=ThingRead)
async def get_thing(thing_id: UUID, session: ReadSessionDep) -> Thing:
    thing = await session.get(Thing, thing_id)
    if thing is None:
        raise NotFound
    return thing


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def wrapped(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


KEPT = {
    "number": ["2147483647", "-2147483648", "1e3", '"5"', "null"],
    "big": ["9223372036854775807", "-9223372036854775808"],
    "name": [json.dumps(line) for line in ("x" * 20, "é" * 20, "😀" * 20, "\uffff\x0b\u202e", "")],
    "text": [json.dumps(line) for line in ("x" * 10_000, "😀" * 10_000, "a\nb\tc")],
    "at": [
        '"0001-01-01T00:00:00.000001Z"',
        '"0001-01-02T00:00:00+14:00"',
        '"0999-06-01T00:00:00Z"',
        '"2020-01-01T00:00:00+23:59"',
        '"2020-01-01T00:00:00.1234567Z"',
        '"9999-12-31T23:59:59.999998Z"',
        '"9999-12-31T23:59:59-00:00"',
        "0",
    ],
    "price": ["99999999.99", "-99999999.99", '"1e5"', '"-0"', '"0e5"', '"1.000"', "1e7"],
    "ratio": ["1e308", "-1e308", "5e-324", "-0.0", "0.1"],
    "color": ['"red"', "null"],
    "data": [
        *("null", "1e300", "-0.0"),
        '{"a": [1, 2.5, true, null, "é", {}]}',
        "[9223372036854775807, -9223372036854775808]",
        nested(30),
        wrapped(30),
        json.dumps("x" * 50_000),
        r'"\\u0000"',
        r'"\ud83d\ude00"',
    ],
}
"""JSON of what is stored and read as it is."""

REFUSED = {
    "number": ["2147483648", "-2147483649", "9223372036854775808", "1e300", "1.5", "NaN", '"x"'],
    "big": ["9223372036854775808", "-9223372036854775809", "1e30", "1" + "0" * 4000],
    "name": [json.dumps("x" * 21), r'"a\u0000b"', r'"\ud800"', r'"a\udfffb"'],
    "text": [json.dumps("x" * 10_001), r'"\u0000"', r'"\udc00\ud800"'],
    "at": [
        '"2020-01-01T00:00:00"',
        '"2020-01-01"',
        '"0000-01-01T00:00:00Z"',
        '"0001-01-01T00:00:00Z"',
        '"0001-01-01T00:00:00+14:00"',
        '"9999-12-31T23:59:59.999999Z"',
        '"9999-12-31T23:59:59-12:00"',
        '"10000-01-01T00:00:00Z"',
        '"2016-12-31T23:59:60Z"',
        "1e18",
        "1e400",
        "NaN",
    ],
    "price": [
        *("NaN", '"NaN"', '"sNaN"', "Infinity", '"-Infinity"', "1e22", "1e-22"),
        *("100000000", "1.005", "99999999.995", '"1e8"', '"1e-5"'),
        *('"1e1000000"', '"1e-1000000"', json.dumps("9" * 5000)),
    ],
    "ratio": ["NaN", "Infinity", "-Infinity", '"nan"', '"inf"', "1e309", "1" + "0" * 400],
    "color": ['"green"', '"RED"', '""', r'"re\u0000d"', r'"\ud800"', "1"],
    "data": [
        *("NaN", "[Infinity]", '{"a": -Infinity}', "1e400"),
        *("9223372036854775808", "[-9223372036854775809]"),
        *(r'"\ud800"', r'{"\ud800": 1}', r'["a\udfff"]', r'"a\u0000b"', r'{"a\u0000b": 1}'),
        *(nested(31), wrapped(31), nested(255), wrapped(900)),
    ],
}
"""JSON of what no column of the field can hold, whatever the database would make of it."""

UNREADABLE = {
    "big": ["1" + "0" * 5000],
    "data": [nested(10_000)],
}
"""What Python's own parser of JSON refuses before there is a field."""


@pytest.fixture
async def client(make_client: MakeClient, state: State) -> AsyncIterator[httpx2.AsyncClient]:
    engine = state["database"].write_engine
    async with tables(engine, METADATA), make_client(router) as client:
        yield client


async def post(client: httpx2.AsyncClient, field: str, value: str) -> httpx2.Response:
    content = f'{{"{field}": {value}}}'.encode()
    return await client.post(
        "/owner/things", content=content, headers={"Content-Type": "application/json"}
    )


def comparable(thing: dict[str, Any]) -> dict[str, Any]:
    price = thing["price"]
    return thing | {"price": None if price is None else Decimal(price)}


@pytest.mark.parametrize("field", KEPT)
async def test_what_is_stored_is_read(client: httpx2.AsyncClient, field: str) -> None:
    stored = []
    for value in KEPT[field]:
        response = await post(client, field, value)
        assert response.status_code == 201, (value, response.text)
        stored.append(comparable(response.json()))
        read = await client.get(f"/owner/things/{stored[-1]['id']}")
        assert read.status_code == 200, (value, read.text)
        assert comparable(read.json()) == stored[-1], value

    listed = (await client.get("/owner/things")).json()
    assert sorted(map(comparable, listed), key=itemgetter("id")) == stored


@pytest.mark.parametrize("field", REFUSED)
async def test_what_cannot_be_stored_names_its_field(
    client: httpx2.AsyncClient, field: str
) -> None:
    for value in REFUSED[field]:
        response = await post(client, field, value)

        assert response.status_code == 422, (value, response.text)
        assert {name.split(".")[0] for name in bad_fields(response)} == {field}, value


@pytest.mark.parametrize("field", UNREADABLE)
async def test_what_cannot_be_read_is_a_bad_request(client: httpx2.AsyncClient, field: str) -> None:
    for value in UNREADABLE[field]:
        assert (await post(client, field, value)).status_code == 400, value


@pytest.mark.parametrize("field", [field for field in KEPT if field != "data"])
async def test_what_is_asked_for_is_looked_up_or_named(
    client: httpx2.AsyncClient, field: str
) -> None:
    for value in [*KEPT[field], *REFUSED[field]]:
        asked = json.loads(value)
        sent = (asked if isinstance(asked, str) else value).encode("utf-8", "surrogatepass")
        if value == "null" or len(sent) > 5000:
            continue

        response = await client.get(f"/owner/things?{field}={quote(sent)}")

        if response.status_code != 200:
            assert bad_fields(response) == [field], value


async def test_a_nul_in_any_text_is_no_defect(client: httpx2.AsyncClient, state: State) -> None:
    response = await client.get("/owner/things/named?name=a%00b")

    if state["database"].read_engine.dialect.name == "postgresql":
        assert_problem(response, 422, "bad-value")
    else:
        assert response.json() == 0


async def test_a_zero_date_of_an_old_row_is_null(client: httpx2.AsyncClient, state: State) -> None:
    if state["database"].write_engine.dialect.name != "mysql":
        pytest.skip("no other database has such dates")
    stored = [(await post(client, "at", '"2020-01-01T00:00:00Z"')).json() for _ in range(2)]
    async with state["database"].write() as session:
        zero = "SET STATEMENT sql_mode = '' FOR UPDATE owner_things SET at = 0 ORDER BY id LIMIT 1"
        await session.execute(text(zero))

    listed = (await client.get("/owner/things")).json()

    assert sorted(listed, key=itemgetter("id")) == [stored[0] | {"at": None}, stored[1]]
