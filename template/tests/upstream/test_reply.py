from collections.abc import AsyncIterator

import pytest

from {{ package_name }}.upstream.reply import Failure, FetchError, read_reply


async def in_pieces(data: bytes, *, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "Identity"}])
async def test_a_body_is_the_same_however_it_comes(size: int, headers: dict[str, str]) -> None:
    body = b"0123456789" * 500

    reply = await read_reply(in_pieces(body, size=size), status=200, headers=headers)

    assert reply.body == body


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, gzip", "x"])
async def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    with pytest.raises(FetchError, match=Failure.BROKEN):
        await read_reply(in_pieces(b"x", size=1), status=200, headers=headers)
