"""What the schemas of all modules share."""

from dataclasses import dataclass, fields
from typing import Self

from pydantic import BaseModel, ConfigDict

PLAIN_TEXT = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: a database may store no NUL, and no name has line breaks."""


class RequestModel(BaseModel):
    """A request body; a field that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


@dataclass
class Row:
    """What a client gets of a row. Instances need no validation: the columns have these types."""

    @classmethod
    def of(cls, entity: object) -> Self:
        """Take the fields from the attributes of an entity."""
        return cls(**{field.name: getattr(entity, field.name) for field in fields(cls)})


class ResponseModel(BaseModel):
    """A response body, made from the attributes of an entity."""

    model_config = ConfigDict(from_attributes=True)
