"""Why a path has no body to show."""

from enum import StrEnum


class Failure(StrEnum):
    """The values are stable: clients compare them."""

    TIMEOUT = "timeout"
    """There was no complete answer in time."""
    UNREACHABLE = "unreachable"
    """No connection could be made."""
    BROKEN = "broken-response"
    """The connection was lost, or what came is not HTTP or not what its headers say."""
    TOO_LARGE = "too-large"
    """The body, decompressed, is over the limit."""
    NOT_JSON = "not-json"
    """The body is declared as JSON and is not."""
    NOT_TEXT = "not-text"
    """The body is neither JSON nor text in UTF-8."""


class FetchError(Exception):
    """A path could not be fetched."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure
