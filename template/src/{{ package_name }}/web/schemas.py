"""What the schemas of all modules share."""

from pydantic import BaseModel, ConfigDict

PLAIN_TEXT = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: a database may store no NUL, and no name has line breaks."""


class RequestModel(BaseModel):
    """A request body; a field that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ResponseModel(BaseModel):
    """A response body, made from the attributes of an entity."""

    model_config = ConfigDict(from_attributes=True)
