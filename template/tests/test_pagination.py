from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi.exceptions import RequestValidationError

from {{ package_name }}.pagination import START, decode_cursor, encode_cursor

from tests.support import bad_fields, create_gizmos, read_pages


def test_a_cursor_holds_its_position() -> None:
    position = uuid4()

    cursor = encode_cursor(position, listing="gizmos")

    assert decode_cursor(cursor, listing="gizmos") == position


def test_without_a_cursor_the_first_page_begins() -> None:
    assert decode_cursor(None, listing="gizmos") == START


def test_any_changed_character_is_noticed() -> None:
    cursor = encode_cursor(UUID(int=2**100), listing="gizmos")

    for index, character in enumerate(cursor):
        other = "A" if character != "A" else "B"
        with pytest.raises(RequestValidationError):
            decode_cursor(cursor[:index] + other + cursor[index + 1 :], listing="gizmos")


async def test_pages_show_every_row_once_in_order(client: httpx2.AsyncClient) -> None:
    gizmos = await create_gizmos(client, 5)

    pages = await read_pages(client, "/gizmos", limit=2)

    assert pages == [gizmos[:2], gizmos[2:4], gizmos[4:]]


async def test_a_page_that_ends_the_list_has_no_next_one(client: httpx2.AsyncClient) -> None:
    gizmos = await create_gizmos(client, 2)

    page = (await client.get("/gizmos", params={"limit": 2})).json()

    assert page == {"items": gizmos, "next_cursor": None}


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
        ({"cursor": "x" * 1000}, "cursor"),
        ({"cursor": encode_cursor(START, listing="cogs")}, "cursor"),
    ],
)
async def test_a_bad_parameter_is_named(
    client: httpx2.AsyncClient, params: dict[str, str], field: str
) -> None:
    assert bad_fields(await client.get("/gizmos", params=params)) == [field]
