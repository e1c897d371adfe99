"""Keyset pagination: a page starts after the last row of the page before."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Select, bindparam, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from .schemas import ResponseModel

MAX_LIMIT = 100
"""Rows in a page at most."""

MAX_CURSOR_LENGTH = 1024

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows in the page")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=MAX_CURSOR_LENGTH,
        description="`next_cursor` of the page before; omit it for the first",
    ),
]

R = TypeVar("R")
T = TypeVar("T")

_CHECK_BYTES = 8


class Page(ResponseModel, Generic[T]):
    """One page; ``next_cursor`` is null on the last one."""

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[T]):
    """The rows of one page; a ``Page`` is validated from it."""

    items: Sequence[T]
    next_cursor: str | None


class Keyset(Generic[T]):
    """A SELECT that is read page by page, in the order of columns of which the last is unique.

        BY_PRICE = Keyset(select(Product), Product.price, Product.id)
        page = await BY_PRICE.page(session, limit=limit, cursor=cursor)

    The database finds a page by an index on the columns in this order. Make it once, as a constant;
    a value that differs between requests is a ``bindparam()``, and an argument of ``page()``.
    A column that may be NULL, or whose type has no ``python_type``, raises ValueError.
    """

    def __init__(
        self, statement: Select[T], *columns: InstrumentedAttribute[Any], descending: bool = False
    ) -> None:
        if nullable := [column.key for column in columns if column.expression.nullable]:
            message = f"a page cannot be ordered by a column that may be NULL: {nullable}"
            raise ValueError(message)
        self._columns = columns
        self._name = f"{descending} {', '.join(map(str, columns))}"
        types = tuple(column.type.python_type for column in columns)
        if object in types:
            message = f"give the types of these columns a python_type: {self._name}"
            raise ValueError(message)
        self._position: TypeAdapter[tuple[Any, ...]] = TypeAdapter(tuple[types])  # type: ignore[valid-type]  # known when it runs
        self._starts = [f"start_{number}" for number in range(len(columns))]
        order = [column.desc() if descending else column.asc() for column in columns]
        self._first = statement.order_by(*order).limit(bindparam("limit"))
        self._next = self._first.where(self._is_after(descending=descending))

    def _is_after(self, *, descending: bool) -> ColumnElement[bool]:
        pairs = zip(self._starts, self._columns, strict=True)
        row = tuple_(*self._columns)
        start = tuple_(*[bindparam(name, type_=column.type) for name, column in pairs])
        return row < start if descending else row > start

    async def page(
        self, session: AsyncSession, *, limit: int, cursor: str | None, **parameters: object
    ) -> KeysetPage[T]:
        """Read the first page, or the one that begins after the cursor.

        A cursor of another listing, or of other parameters, raises RequestValidationError.
        """
        statement, values = self._first, {**parameters, "limit": limit + 1}
        if cursor is not None:
            position = self.decode(cursor, **parameters)
            statement, values = self._next, values | dict(zip(self._starts, position, strict=True))
        rows = (await session.scalars(statement, values)).all()
        return self.cut(rows, limit=limit, **parameters)

    def cut(self, rows: Sequence[R], *, limit: int, **parameters: object) -> KeysetPage[R]:
        """Remove the extra row, which was read to see whether there is another page."""
        page = rows[:limit]
        if len(rows) <= limit:
            return KeysetPage(page, None)
        position = tuple(getattr(page[-1], column.key) for column in self._columns)
        data = self._position.dump_json(position)
        cursor = urlsafe_b64encode(self._check(data, parameters) + data).decode()
        return KeysetPage(page, cursor)

    def decode(self, cursor: str, **parameters: object) -> tuple[Any, ...]:
        """Return the values of the columns where the page before ended; raise like ``page``."""
        try:
            raw = urlsafe_b64decode(cursor)
            check, data = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
            if check == self._check(data, parameters):
                return self._position.validate_json(data)
        except ValueError:
            pass
        fault = {
            "type": "cursor",
            "loc": ("query", "cursor"),
            "msg": "Not a cursor of this listing; pass next_cursor of the page before, or omit it",
        }
        raise RequestValidationError([fault])

    def _check(self, data: bytes, parameters: Mapping[str, object]) -> bytes:
        # Guards against mistakes, not against forgery: a cursor says no more than the page shows.
        text = f"{self._name} {sorted(parameters.items())} ".encode()
        return blake2s(text + data, digest_size=_CHECK_BYTES).digest()
