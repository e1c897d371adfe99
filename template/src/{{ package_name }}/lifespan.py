"""The lifespan: resources of the process, opened in order and closed in reverse order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

# {% if auth == "oidc" %}
from .auth.tokens import TokenVerifier
# {% endif %}
from .database.engine import Database
# {% if health_checks %}
from .health.readiness import Readiness
# {% endif %}
from .server.drain import Drain
from .server.garbage_collection import tuned_garbage_collector
from .server.watchdog import watched_event_loop
from .settings import Settings
# {% if telemetry == "prometheus" %}
from .telemetry.exposition import exposed_alone
# {% elif telemetry == "otlp" %}
from .telemetry.otlp import exported
# {% endif %}
# {% if telemetry != "none" %}
from .telemetry.pools import measured
# {% if auth == "oidc" and http_client != "none" %}
from .telemetry.provider import provider_sample
# {% endif %}
from .telemetry.sampling import sampled
# {% if http_client != "none" %}
from .telemetry.upstream import MeasuredClient
# {% endif %}
# {% endif %}
# {% if http_client != "none" %}
from .upstream.client import UpstreamClient
# {% endif %}


class State(TypedDict):
    """The state of the application; each field has a dependency that returns it."""

    settings: Settings
    drain: Drain
    database: Database
    # {% if http_client != "none" %}
    upstream: UpstreamClient
    # {% endif %}
    # {% if auth == "oidc" %}
    tokens: TokenVerifier
    # {% endif %}
    # {% if health_checks %}
    readiness: Readiness
    # {% endif %}


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncIterator[State]:
    """Open all resources; if one fails, close those that were opened before it."""
    async with AsyncExitStack() as stack:
        # {% if telemetry == "otlp" %}
        await stack.enter_async_context(exported())
        # {% endif %}
        database = await stack.enter_async_context(Database.open(settings))
        # {% if telemetry != "none" %}
        database = measured(database, settings)
        # {% endif %}
        # {% if http_client != "none" %}
        # {% if telemetry == "none" %}
        upstream = await stack.enter_async_context(UpstreamClient.open(settings))
        # {% else %}
        upstream = await stack.enter_async_context(MeasuredClient.open(settings))
        # {% endif %}
        # {% endif %}
        # {% if auth == "oidc" %}
        tokens = await stack.enter_async_context(TokenVerifier.open(settings))
        # {% endif %}
        drain = stack.enter_context(Drain.installed(settings.drain_seconds))
        # {% if health_checks %}
        readiness = await stack.enter_async_context(
            Readiness.open(settings, database=database, drain=drain)
        )
        # {% endif %}
        stack.enter_context(watched_event_loop())
        # {% if telemetry != "none" %}
        # {% if http_client != "none" %}
        # {% if auth == "oidc" %}
        stack.enter_context(sampled(database, upstream.sample, provider_sample(tokens)))
        # {% else %}
        stack.enter_context(sampled(database, upstream.sample))
        # {% endif %}
        # {% else %}
        stack.enter_context(sampled(database))
        # {% endif %}
        # {% endif %}
        # {% if telemetry == "prometheus" %}
        await stack.enter_async_context(exposed_alone(settings))
        # {% endif %}
        stack.enter_context(tuned_garbage_collector())
        yield State(
            settings=settings,
            drain=drain,
            database=database,
            # {% if http_client != "none" %}
            upstream=upstream,
            # {% endif %}
            # {% if auth == "oidc" %}
            tokens=tokens,
            # {% endif %}
            # {% if health_checks %}
            readiness=readiness,
            # {% endif %}
        )
