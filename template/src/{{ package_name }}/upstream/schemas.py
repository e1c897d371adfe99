"""What clients send and get."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, JsonValue

from ..web.schemas import RequestModel, ResponseModel
from .paths import check_path
from .reply import Failure

MAX_PATHS = 50
MAX_PATH_LENGTH = 2000

UpstreamPath = Annotated[
    str,
    Field(max_length=MAX_PATH_LENGTH, examples=["/status?verbose=1"]),
    AfterValidator(check_path),
]


class FetchRequest(RequestModel):
    """The paths to fetch, each with its query if it has one."""

    model_config = ConfigDict(str_strip_whitespace=False)

    paths: Annotated[list[UpstreamPath], Field(min_length=1, max_length=MAX_PATHS)]


class FetchResult(ResponseModel):
    """The result for one path: a body, or an error."""

    path: str
    status: int | None = None
    """The status of the upstream; a redirect is not followed."""
    body: JsonValue = None
    error: Failure | None = None


class FetchResponse(ResponseModel):
    """The results in the order of the paths."""

    results: list[FetchResult]
