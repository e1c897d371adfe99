"""What clients send and get."""

import re
from typing import Annotated, LiteralString
from urllib.parse import unquote

from pydantic import AfterValidator, ConfigDict, Field, JsonValue
from pydantic_core import PydanticCustomError

from ..schemas import RequestModel, ResponseModel
from .failures import Failure

MAX_PATHS = 50
"""Paths in one request at most."""

MAX_PATH_LENGTH = 2000
"""Characters of a path at most, its query included."""

MAX_DECODINGS = 3
"""A path that still changes when it is percent-decoded this often is refused."""

PATH_ERROR = "upstream-path"

# RFC 3986, without the `@` that some parsers take for the end of credentials.
_URL_CHARACTERS = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:/?-]|%[0-9A-Fa-f]{2})*")
# U+FFFD stands for what is not UTF-8, such as the overlong forms of a dot or a slash.
_NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ufffd]")
# Some servers drop what follows a `;` before they resolve dot segments.
_NOT_IN_PATH = re.compile(r"//|/\.\.?(?:[/;?#]|\Z)")


def check_path(path: str) -> str:
    """Accept a path that stays below the base URL, however often a server decodes it."""
    if fault := _fault_of(path):
        raise PydanticCustomError(PATH_ERROR, fault)
    return path


def _fault_of(path: str) -> LiteralString | None:
    if not path.startswith("/"):
        return "A path begins with a slash"
    if not _URL_CHARACTERS.fullmatch(path):
        return "A path has only the characters of URLs, all others percent-encoded"
    place, _, query = path.partition("?")
    if not (_is_safe(place, _NEVER, _NOT_IN_PATH) and _is_safe(query, _NEVER)):
        return "A path has no '..', '.', '//', backslash or control character, encoded or not"
    return None


def _is_safe(text: str, *refused: re.Pattern[str]) -> bool:
    for _ in range(MAX_DECODINGS):
        if any(pattern.search(text) for pattern in refused):
            return False
        encoded, text = text, unquote(text)
        if text == encoded:
            return True
    return False


UpstreamPath = Annotated[
    str,
    Field(max_length=MAX_PATH_LENGTH, examples=["/status?verbose=1"]),
    AfterValidator(check_path),
]


class FetchRequest(RequestModel):
    """The paths to fetch, each with its query if it has one."""

    model_config = ConfigDict(str_strip_whitespace=False)

    paths: Annotated[list[UpstreamPath], Field(min_length=1, max_length=MAX_PATHS)]


class FetchResult(ResponseModel):
    """What came of one path: a body, or the error that stands in its place."""

    path: str
    status: int | None = None
    """The status of the upstream; a redirect is not followed."""
    body: JsonValue = None
    error: Failure | None = None


class FetchResponse(ResponseModel):
    """The results in the order of the paths."""

    results: list[FetchResult]
