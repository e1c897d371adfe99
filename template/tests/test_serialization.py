# {% if orjson %}
import json

import pytest
from starlette.responses import JSONResponse

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


class Hal(OrjsonResponse):
    media_type = "application/hal+json"


class FrameworkHal(JSONResponse):
    media_type = "application/hal+json"


OWN_HEADERS = [None, {}, {"Location": "/1"}, {"Content-Type": "a/b", "Content-Length": "4"}]


@pytest.mark.parametrize("headers", OWN_HEADERS)
@pytest.mark.parametrize("status", [200, 201, 204, 304, 404])
@pytest.mark.parametrize(
    ("kind", "framework"), [(OrjsonResponse, JSONResponse), (Hal, FrameworkHal)]
)
def test_headers_are_those_of_the_framework(
    kind: type[JSONResponse],
    framework: type[JSONResponse],
    status: int,
    headers: dict[str, str] | None,
) -> None:
    response = kind(None, status_code=status, headers=headers)
    expected = framework(None, status_code=status, headers=headers)

    assert response.raw_headers == expected.raw_headers
# {% endif %}
