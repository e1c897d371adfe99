"""Keyset pages: a page starts after the last row of the one before, however deep it is."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Annotated, Generic, Protocol, TypeVar
from uuid import UUID

from fastapi import Query
from fastapi.exceptions import RequestValidationError

from .schemas import ResponseModel

MAX_LIMIT = 100
"""Rows in a page at most."""

START = UUID(int=0)
"""The position before the first row; every id sorts after it."""

_CHECK_BYTES = 8

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows in the page")]
Cursor = Annotated[
    str | None,
    Query(max_length=64, description="`next_cursor` of the page before; omit it for the first"),
]

T = TypeVar("T")


class HasId(Protocol):
    id: UUID


HasIdT = TypeVar("HasIdT", bound=HasId)


class Page(ResponseModel, Generic[T]):
    """One page; ``next_cursor`` is null on the last one."""

    items: list[T]
    next_cursor: str | None


@dataclass
class CutPage(Generic[HasIdT]):
    """What was read of one page; a ``Page`` is validated from it."""

    items: Sequence[HasIdT]
    next_cursor: str | None


def encode_cursor(position: UUID, *, listing: str) -> str:
    """Make the opaque cursor of a row; it is accepted by the listing that made it only."""
    return urlsafe_b64encode(position.bytes + _check(position, listing)).decode()


def decode_cursor(cursor: str | None, *, listing: str) -> UUID:
    """Return the id to start after.

    Raises:
        RequestValidationError: the cursor was not made by this listing.
    """
    if cursor is None:
        return START
    try:
        raw = urlsafe_b64decode(cursor)
        position = UUID(bytes=raw[:-_CHECK_BYTES])
    except ValueError:
        position = START
    if encode_cursor(position, listing=listing) != cursor:
        fault = {
            "type": "cursor",
            "loc": ("query", "cursor"),
            "msg": "Not a cursor of this listing; pass next_cursor of the page before, or omit it",
        }
        raise RequestValidationError([fault])
    return position


def cut_page(rows: Sequence[HasIdT], *, limit: int, listing: str) -> CutPage[HasIdT]:
    """Split ``limit + 1`` fetched rows into the page and the cursor of the next one."""
    page = rows[:limit]
    more = len(rows) > limit
    return CutPage(page, encode_cursor(page[-1].id, listing=listing) if more else None)


def _check(position: UUID, listing: str) -> bytes:
    # Guards against mistakes, not against forgery: a cursor says no more than the id it holds.
    return blake2s(listing.encode() + position.bytes, digest_size=_CHECK_BYTES).digest()
