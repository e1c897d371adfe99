# {% if orjson %}
import json

import pytest

from {{ package_name }}.serialization import OrjsonResponse, dumps, loads
# {% else %}
import pytest

from {{ package_name }}.serialization import dumps, loads
# {% endif %}


def test_json_is_compact_utf8() -> None:
    value = {"name": "Zoë 👩‍🚀", "items": [1, 2.5, None, True]}

    data = dumps(value)

    assert data == '{"name":"Zoë 👩‍🚀","items":[1,2.5,null,true]}'.encode()
    assert loads(data) == value


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(b"{")
    with pytest.raises(TypeError):
        dumps(object())
# {% if orjson %}


def test_a_response_without_a_model_is_the_same_json() -> None:
    content = {"name": "Zoë", 1: [True]}

    response = OrjsonResponse(content)

    assert json.loads(bytes(response.body)) == {"name": "Zoë", "1": [True]}
    assert response.media_type == "application/json"
# {% endif %}
