"""One INSERT of many rows, which takes PostgreSQL less time than an INSERT for each."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Insert,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Table,
    Time,
    Uuid,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.types import TypeEngine

from .base import Entity

PLAIN = (
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    Uuid,
)
"""Types of which an array holds the same values as a row."""

Rows = Sequence[Mapping[str, Any]]


def bulk_insert(model: type[Entity], rows: Rows) -> tuple[Insert, Rows | dict[str, list[Any]]]:
    """Return a statement that inserts the rows, and its parameters.

    These are the columns, each an array, where all rows have the same and their types are plain;
    otherwise the rows, each of which is an INSERT then.
    """
    columns = model.__mapper__.columns
    names = rows[0].keys()
    if any(row.keys() != names for row in rows):
        return insert(model), rows
    arrays = {name: [row[name] for row in rows] for name in names}
    for name, column in columns.items():
        default: Any = column.default
        if name not in names and default is not None and default.is_callable:
            arrays[name] = [default.arg(None) for _ in rows]
    if not all(is_plain(columns[name].type) for name in arrays):
        return insert(model), rows
    return _insert(model, tuple(arrays)), arrays


def is_plain(type_: TypeEngine[Any]) -> bool:
    return isinstance(type_, PLAIN) and not isinstance(type_, Enum)


@lru_cache
def _insert(model: type[Entity], names: tuple[str, ...]) -> Insert:
    columns = [model.__mapper__.columns[name] for name in names]
    types = [ARRAY(_unlimited(column.type)) for column in columns]
    arrays = [bindparam(name, type_=type_) for name, type_ in zip(names, types, strict=True)]
    table = cast(Table, model.__table__)
    return insert(table).from_select(columns, select(*map(func.unnest, arrays)))


def _unlimited(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    # The cast of an array to strings of a length would cut them, where a column refuses them.
    return String() if isinstance(type_, String) else type_
