from datetime import UTC, datetime
from uuid import UUID

import pytest

# {% if orjson %}
from {{ package_name }}.web.serialization import dumps, loads
# {% else %}
from {{ package_name }}.web.serialization import dumps
# {% endif %}


def test_json_is_compact_utf8() -> None:
    value = {"name": "Zoë 👩‍🚀", "items": [1, 2.5, None, True]}

    data = dumps(value)

    assert data == '{"name":"Zoë 👩‍🚀","items":[1,2.5,null,true]}'.encode()
    # {% if orjson %}
    assert loads(data) == value
    # {% endif %}


def test_ids_and_times_are_text() -> None:
    value = {"id": UUID(int=1), "at": datetime(2020, 2, 29, tzinfo=UTC)}

    assert dumps(value) == (
        b'{"id":"00000000-0000-0000-0000-000000000001","at":"2020-02-29T00:00:00Z"}'
    )


def test_what_is_no_json_is_refused() -> None:
    # {% if orjson %}
    with pytest.raises(ValueError, match=r"."):
        loads(b"{")
    # {% endif %}
    with pytest.raises((TypeError, ValueError)):
        dumps(object())
