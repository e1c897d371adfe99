"""What lives as long as the process: opened in order, closed in reverse order."""

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
# {% if http_client != "none" %}
from .upstream.client import UpstreamClient
# {% endif %}


class State(TypedDict):
    """The state that every request can reach, each part by a dependency of its own."""

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
    """Open all resources; when one fails, those before it are closed again."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings))
        # {% if http_client != "none" %}
        upstream = await stack.enter_async_context(UpstreamClient.open(settings))
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
