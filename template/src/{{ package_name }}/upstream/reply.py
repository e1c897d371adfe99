"""Responses of another service, which is not trusted."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from pydantic import JsonValue
from pydantic_core import from_json

from ..web.problems import Problem

MAX_BODY_BYTES = 1024 * 1024
"""The largest body of an answer."""


class Failure(StrEnum):
    """Why there is no usable response. The values are stable: clients compare them."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BROKEN = "broken-response"  # lost, or not HTTP, or not what its headers say
    TOO_LARGE = "too-large"
    NOT_JSON = "not-json"
    NOT_TEXT = "not-text"


class FetchError(Problem):
    """A request failed; it has an ``upstream_status`` if the answer had begun by then."""

    status = HTTPStatus.BAD_GATEWAY
    type = "upstream-failed"
    title = "Another service gave no answer that can be used"

    def __init__(self, failure: Failure, upstream_status: int | None = None) -> None:
        super().__init__(failure)
        self.failure = failure
        self.upstream_status = upstream_status


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def value(self) -> JsonValue:
        """Return the JSON value, the text, or None if the body is empty."""
        media_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        try:
            if self.body and (media_type == "application/json" or media_type.endswith("+json")):
                # Other parsers let pass what no response can carry: lone surrogates, deep nesting.
                value: JsonValue = from_json(self.body, allow_inf_nan=False)
                return value
            return self.body.decode() or None
        except UnicodeDecodeError as error:
            raise FetchError(Failure.NOT_TEXT, self.status) from error
        except ValueError as error:
            raise FetchError(Failure.NOT_JSON, self.status) from error


async def read_reply(
    chunks: AsyncIterable[bytes], *, status: int, headers: Mapping[str, str]
) -> Reply:
    """Collect a body, holding no more of it than the limit and a chunk.

    A compressed one, which nobody asked for, is refused: it may expand without a limit.
    """
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchError(Failure.BROKEN, status)
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise FetchError(Failure.TOO_LARGE, status)
    return Reply(status, headers, bytes(body))
