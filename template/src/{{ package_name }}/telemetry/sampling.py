"""Metrics that are sampled: the delay of the event loop, and the use of each pool."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

# {% if auth == "oidc" and http_client != "none" %}
from ..auth.tokens import TokenVerifier
# {% endif %}
from ..database.engine import Database
from . import measures
from .pools import pool_samples
# {% if auth == "oidc" and http_client != "none" %}
from .provider import provider_sample
# {% endif %}
# {% if http_client != "none" %}
from .upstream import MeasuredClient
# {% endif %}

SECONDS = 0.25


@contextmanager
# {% if http_client == "none" %}
def sampled(database: Database) -> Iterator[None]:
# {% elif auth == "oidc" %}
def sampled(database: Database, upstream: MeasuredClient, tokens: TokenVerifier) -> Iterator[None]:
# {% else %}
def sampled(database: Database, upstream: MeasuredClient) -> Iterator[None]:
# {% endif %}
    """Measure how late the event loop is, and set the gauges."""
    loop = asyncio.get_running_loop()
    delay = measures.event_loop_delay()
    samples = pool_samples(database)
    # {% if http_client != "none" %}
    samples.append(upstream.sample)
    # {% if auth == "oidc" %}
    samples.append(provider_sample(tokens))
    # {% endif %}
    # {% endif %}
    planned: asyncio.Handle

    def look(due: float) -> None:
        nonlocal planned
        delay(max(0.0, loop.time() - due))
        for sample in samples:
            sample()
        due = loop.time() + SECONDS
        planned = loop.call_at(due, look, due)

    planned = loop.call_soon(look, loop.time())
    try:
        yield
    finally:
        planned.cancel()
