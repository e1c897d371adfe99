"""Bodies of the upstream, read without trusting it."""

import zlib
from collections.abc import AsyncIterable

from pydantic import JsonValue
from pydantic_core import from_json

from .failures import Failure, FetchError

MAX_BODY_BYTES = 1024 * 1024
"""The largest body of an answer in bytes, decompressed."""

_GZIP_FORMAT = 31


class Gunzip:
    """Decompresses one gzip stream, and no further than asked, whatever it would expand to."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=_GZIP_FORMAT)

    def feed(self, chunk: bytes, *, limit: int) -> bytes:
        """Return what the chunk expands to, cut after ``limit`` bytes.

        Raises:
            FetchError: the chunk is not gzip, or there is more after the end of the stream.
        """
        try:
            expanded = self._stream.decompress(chunk, limit)
        except zlib.error as error:
            raise FetchError(Failure.BROKEN) from error
        if self._stream.unused_data:
            raise FetchError(Failure.BROKEN)
        return expanded

    def finish(self) -> None:
        """Check that nothing is missing.

        Raises:
            FetchError: the stream ended early.
        """
        if not self._stream.eof:
            raise FetchError(Failure.BROKEN)


async def read_body(chunks: AsyncIterable[bytes], *, encoding: str) -> bytes:
    """Collect a body, holding no more of it than the limit and a chunk.

    Raises:
        FetchError: the body is too large, or not in an encoding that was asked for.
    """
    encoding = encoding.lower()
    if encoding not in {"", "identity", "gzip"}:
        raise FetchError(Failure.BROKEN)
    gunzip = Gunzip() if encoding == "gzip" else None
    body = bytearray()
    async for chunk in chunks:
        room = MAX_BODY_BYTES - len(body)
        body += gunzip.feed(chunk, limit=room + 1) if gunzip else chunk
        if len(body) > MAX_BODY_BYTES:
            raise FetchError(Failure.TOO_LARGE)
    if gunzip:
        gunzip.finish()
    return bytes(body)


def parse_body(body: bytes, *, content_type: str) -> JsonValue:
    """Return the JSON value, the text, or None if there is nothing.

    JSON is parsed by pydantic, which writes it again in the response: what it accepts it can
    write. Other parsers let pass what then fails, such as lone surrogates and deep nesting.

    Raises:
        FetchError: the body is not JSON although it is declared so, or not text.
    """
    if not body:
        return None
    try:
        if _is_json(content_type):
            value: JsonValue = from_json(body, allow_inf_nan=False)
            return value
        return body.decode()
    except UnicodeDecodeError as error:
        raise FetchError(Failure.NOT_TEXT) from error
    except ValueError as error:
        raise FetchError(Failure.NOT_JSON) from error


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")
