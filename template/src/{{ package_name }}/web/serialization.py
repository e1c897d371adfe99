# {% if orjson %}
"""JSON of problems, log lines and JSON columns; response models are serialised by pydantic."""
# {% else %}
"""JSON of problems and log lines; response models are serialised by pydantic."""
# {% endif %}

# {% if orjson %}
from typing import Any
from uuid import UUID

import orjson
from pydantic_core import to_jsonable_python


def dumps(value: object) -> bytes:
    """Serialise to compact UTF-8 JSON; raise TypeError for what has no JSON form."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)


# {% if database_driver == "aiosqlite" %}
def loads(data: bytes | str | float) -> Any:  # noqa: ANN401 - JSON is any value
    """Parse JSON; SQLite gives back a number alone as that number.

    Raises:
        ValueError: the data is not JSON.
    """
    return orjson.loads(data) if isinstance(data, (bytes, str)) else data
# {% else %}
def loads(data: bytes | str) -> Any:  # noqa: ANN401 - JSON is any value
    """Parse JSON; raise ValueError for what is none."""
    return orjson.loads(data)
# {% endif %}


def _plain(value: object) -> object:
    # A driver may have a UUID of its own; the rest is as in a response model.
    return str(value) if isinstance(value, UUID) else to_jsonable_python(value)
# {% else %}
import json

from pydantic_core import to_jsonable_python


def dumps(value: object) -> bytes:
    """Serialise to compact UTF-8 JSON; raise ValueError for what has no JSON form."""
    text = json.dumps(
        value,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
        default=to_jsonable_python,
    )
    return text.encode()
# {% endif %}
