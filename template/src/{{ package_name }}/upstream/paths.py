"""Paths that stay below a base URL."""

import re
from typing import Final
from urllib.parse import unquote

from pydantic_core import PydanticCustomError

MAX_DECODINGS = 3
"""A path that still changes when it is percent-decoded this often is refused."""

# RFC 3986, without the `@` that some parsers take for the end of credentials.
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:/?-]|%[0-9A-Fa-f]{2})*")
PATH_ERROR: Final = "upstream-path"
_MESSAGE: Final = (
    "A path begins with a slash, is percent-encoded and has no '..', '.', '//', backslash or"
    " control character, encoded or not"
)
# U+FFFD stands for what is not UTF-8, such as the overlong forms of a dot or a slash.
_NEVER = r"[\x00-\x1f\x7f-\x9f\\\ufffd]"
# Some servers drop what follows a `;` before they resolve dot segments.
_NOT_IN_PLACE = rf"{_NEVER}|//|/\.\.?(?:[/;?#]|\Z)"


def check_path(path: str) -> str:
    """Accept a path that stays below the base URL, however often a server decodes it."""
    place, _, query = path.partition("?")
    if _PATH.fullmatch(path) and _is_without(_NOT_IN_PLACE, place) and _is_without(_NEVER, query):
        return path
    raise PydanticCustomError(PATH_ERROR, _MESSAGE)


def _is_without(refused: str, text: str, *, decodings: int = MAX_DECODINGS) -> bool:
    if re.search(refused, text) or not decodings:
        return False
    decoded = unquote(text)
    return decoded == text or _is_without(refused, decoded, decodings=decodings - 1)
