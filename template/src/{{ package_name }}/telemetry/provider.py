"""Metrics of the provider of tokens."""

from collections.abc import Callable

from ..auth.tokens import TokenVerifier
from . import measures


def provider_sample(tokens: TokenVerifier) -> Callable[[], None]:
    """Return what counts the failures of the provider."""
    failures = measures.provider_failures()
    last = 0

    def sample() -> None:
        nonlocal last
        now = tokens.provider_failures
        failures(now - last)
        last = now

    return sample
