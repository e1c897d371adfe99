from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from fastapi.exceptions import RequestValidationError
from sqlalchemy import JSON, MetaData, select
from sqlalchemy.orm import Mapped, mapped_column

from {{ package_name }}.database.base import Entity
from {{ package_name }}.lifespan import State
from {{ package_name }}.web.pagination import Keyset

from tests.sample import PAGE, Gizmo
from tests.support import bad_fields, create_gizmos, read_pages

DAY = datetime(2026, 1, 1, tzinfo=UTC)


async def test_pages_show_every_row_once_in_order(client: httpx2.AsyncClient) -> None:
    gizmos = await create_gizmos(client, 5)

    pages = await read_pages(client, "/gizmos", limit=2)

    assert pages == [gizmos[:2], gizmos[2:4], gizmos[4:]]


async def test_a_page_that_ends_the_list_has_no_next_one(client: httpx2.AsyncClient) -> None:
    gizmos = await create_gizmos(client, 2)

    page = (await client.get("/gizmos", params={"limit": 2})).json()

    assert page == {"items": gizmos, "next_cursor": None}


@pytest.mark.parametrize("descending", [False, True])
async def test_pages_may_be_ordered_by_any_columns(state: State, *, descending: bool) -> None:
    columns = (Gizmo.note, Gizmo.created_at, Gizmo.id)
    order = Keyset(select(Gizmo), *columns, descending=descending)
    gizmos = [
        Gizmo(name=str(number), note=note, created_at=DAY + timedelta(days=number % 2))
        for number, note in enumerate(["b", "a", "a", "b", "a", "é"])
    ]
    async with state["database"].write() as session:
        session.add_all(gizmos)

    seen: list[UUID] = []
    cursor: str | None = ""
    async with state["database"].read() as session:
        while cursor is not None:
            page = await order.page(session, limit=2, cursor=cursor or None)
            seen += [gizmo.id for gizmo in page.items]
            cursor = page.next_cursor

    gizmos.sort(key=lambda gizmo: (gizmo.note, gizmo.created_at, gizmo.id), reverse=descending)
    assert seen == [gizmo.id for gizmo in gizmos]


def test_a_column_without_an_order_is_refused() -> None:
    class Gadget(Entity):
        metadata = MetaData()
        __tablename__ = "gadgets"

        price: Mapped[int | None] = mapped_column()
        parts: Mapped[dict[str, int]] = mapped_column(JSON)

    with pytest.raises(ValueError, match="price"):
        Keyset(select(Gadget), Gadget.price, Gadget.id)
    with pytest.raises(ValueError, match="python_type"):
        Keyset(select(Gadget), Gadget.parts, Gadget.id)


def test_any_changed_character_of_a_cursor_is_noticed() -> None:
    gizmos = [Gizmo(id=UUID(int=2**100)), Gizmo(id=UUID(int=2**100 + 1))]
    cursor = PAGE.cut(gizmos, limit=1).next_cursor
    assert cursor

    for index, character in enumerate(cursor):
        other = "A" if character != "A" else "B"
        changed = cursor[:index] + other + cursor[index + 1 :]
        with pytest.raises(RequestValidationError):
            PAGE.decode(changed)


def test_a_cursor_of_another_listing_is_refused() -> None:
    gizmos = [Gizmo(id=UUID(int=1)), Gizmo(id=UUID(int=2))]
    cursor = PAGE.cut(gizmos, limit=1, owner="me").next_cursor
    assert cursor

    assert PAGE.decode(cursor, owner="me") == (UUID(int=1),)
    backwards = Keyset(select(Gizmo), Gizmo.id, descending=True)
    for listing, owner in ((PAGE, "you"), (backwards, "me")):
        with pytest.raises(RequestValidationError):
            listing.decode(cursor, owner=owner)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1000000000"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "made-up"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "x" * 2000}, "cursor"),
    ],
)
async def test_a_bad_parameter_is_named(
    client: httpx2.AsyncClient, params: dict[str, str], field: str
) -> None:
    assert bad_fields(await client.get("/gizmos", params=params)) == [field]
