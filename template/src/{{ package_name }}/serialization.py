"""JSON where no response model is involved; models are serialised by pydantic itself."""

# {% if orjson %}
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

import orjson
from pydantic_core import to_jsonable_python
from starlette.responses import JSONResponse  # noqa: TID251 - the base of our own


def dumps(value: object) -> bytes:
    """Serialise to compact UTF-8 JSON.

    Raises:
        TypeError: the value has no JSON form.
    """
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)


def loads(data: bytes | str) -> Any:  # noqa: ANN401 - JSON is any value
    """Parse JSON.

    Raises:
        ValueError: the data is not JSON.
    """
    return orjson.loads(data)


def _plain(value: object) -> object:
    # A driver may have a UUID of its own; the rest is as in a response model.
    return str(value) if isinstance(value, UUID) else to_jsonable_python(value)


_USUAL = (HTTPStatus.OK, HTTPStatus.CREATED)


class OrjsonResponse(JSONResponse):
    """The response class of routes that declare no model, and of rows that need no validation.

    FastAPI's own ``ORJSONResponse`` is deprecated, because a declared model is faster still.
    """

    def render(self, content: object) -> bytes:
        return dumps(content)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set the headers; the usual ones in fewer steps than the framework takes."""
        given = {name.lower(): value for name, value in headers.items()} if headers else {}
        is_usual = self.status_code in _USUAL and self.media_type == JSONResponse.media_type
        if not is_usual or "content-type" in given or "content-length" in given:
            super().init_headers(headers)
            return
        self.raw_headers = [
            *[(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
        ]
# {% else %}
import json
from typing import Any


def dumps(value: object) -> bytes:
    """Serialise to compact UTF-8 JSON.

    Raises:
        TypeError: the value has no JSON form.
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def loads(data: bytes | str) -> Any:  # noqa: ANN401 - JSON is any value
    """Parse JSON.

    Raises:
        ValueError: the data is not JSON.
    """
    return json.loads(data)
# {% endif %}
