import gzip
from collections.abc import AsyncIterator

import pytest

from {{ package_name }}.upstream.body import MAX_BODY_BYTES, Gunzip, read_body
from {{ package_name }}.upstream.failures import Failure, FetchError


async def in_pieces(data: bytes, *, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_a_body_is_the_same_however_it_comes(size: int) -> None:
    body = b"0123456789" * 500
    zipped = gzip.compress(body)

    assert await read_body(in_pieces(body, size=size), encoding="") == body
    assert await read_body(in_pieces(body, size=size), encoding="identity") == body
    assert await read_body(in_pieces(zipped, size=size), encoding="GZIP") == body


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_the_limit_is_exact(encoding: str) -> None:
    for excess in (0, 1):
        body = bytes(MAX_BODY_BYTES + excess)
        sent = gzip.compress(body) if encoding else body
        reading = read_body(in_pieces(sent, size=1000), encoding=encoding)
        if excess:
            with pytest.raises(FetchError, match=Failure.TOO_LARGE):
                await reading
        else:
            assert await reading == body


def test_a_bomb_expands_no_further_than_asked() -> None:
    bomb = gzip.compress(bytes(16 * MAX_BODY_BYTES))

    assert len(Gunzip().feed(bomb, limit=10)) == 10


async def test_a_body_without_end_is_not_read_on() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1000
            yield bytes(1000)

    with pytest.raises(FetchError, match=Failure.TOO_LARGE):
        await read_body(endless(), encoding="")

    assert taken <= MAX_BODY_BYTES + 1000


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x"])
async def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(FetchError, match=Failure.BROKEN):
        await read_body(in_pieces(b"x", size=1), encoding=encoding)
