from uuid import UUID, uuid4

import pytest
from fastapi.exceptions import RequestValidationError

from {{ package_name }}.pagination import START, decode_cursor, encode_cursor


def test_a_cursor_holds_its_position() -> None:
    position = uuid4()

    cursor = encode_cursor(position, listing="users")

    assert decode_cursor(cursor, listing="users") == position


def test_without_a_cursor_the_first_page_begins() -> None:
    assert decode_cursor(None, listing="users") == START


def test_any_changed_character_is_noticed() -> None:
    cursor = encode_cursor(UUID(int=2**100), listing="users")

    for index, character in enumerate(cursor):
        other = "A" if character != "A" else "B"
        with pytest.raises(RequestValidationError):
            decode_cursor(cursor[:index] + other + cursor[index + 1 :], listing="users")
