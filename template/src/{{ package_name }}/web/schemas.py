"""Base classes and field types for all schemas."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

PLAIN_TEXT = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: a database may store no NUL, and no name has line breaks."""

TEXT = r"^[^\x00]*$"
"""Any text but NUL."""

Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]
"""What an ``Integer`` column holds."""

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""What a ``BigInteger`` column holds."""

Moment = Annotated[
    AwareDatetime,
    # In UTC the years beyond have no name, and a driver may take the ends for infinity.
    Field(gt=datetime.min.replace(tzinfo=UTC), lt=datetime.max.replace(tzinfo=UTC)),
    AfterValidator(lambda moment: moment.astimezone(UTC)),
]
"""What a ``UtcDateTime`` column holds."""


class RequestModel(BaseModel):
    """A request body; a field that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)


class ResponseModel(BaseModel):
    """A response body, made from the attributes of an entity."""

    model_config = ConfigDict(from_attributes=True)
