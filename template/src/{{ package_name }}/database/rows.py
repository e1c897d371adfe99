"""Rows that are only read."""

from dataclasses import dataclass, fields
from typing import Self


@dataclass
class Row:
    """What a request gets of a row, and what its client gets.

    An instance needs no validation: the columns have these types.
    """

    @classmethod
    def of(cls, entity: object) -> Self:
        """Take the fields from the attributes of an entity."""
        return cls(**{field.name: getattr(entity, field.name) for field in fields(cls)})
