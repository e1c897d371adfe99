"""What lives as long as the process: opened in order, closed in reverse order."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TypedDict, cast

from starlette.requests import HTTPConnection

from .database.engine import Database
from .drain import Drain
# {% if health_checks %}
from .health.readiness import Readiness
# {% endif %}
from .settings import Settings
# {% if http_client != "none" %}
from .upstream.client import UpstreamClient
# {% endif %}
from .watchdog import watched_event_loop

GC_THRESHOLDS = (10_000, 20, 20)


class State(TypedDict):
    """The state that every request can reach."""

    settings: Settings
    drain: Drain
    database: Database
    # {% if http_client != "none" %}
    upstream: UpstreamClient
    # {% endif %}
    # {% if health_checks %}
    readiness: Readiness
    # {% endif %}


def state_of(connection: HTTPConnection) -> State:
    """Return the state of the process that serves the connection."""
    return cast(State, connection.scope["state"])


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncIterator[State]:
    """Open all resources; when one fails, those before it are closed again."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings))
        # {% if http_client != "none" %}
        upstream = await stack.enter_async_context(UpstreamClient.open(settings))
        # {% endif %}
        drain = stack.enter_context(Drain.installed(settings.drain_seconds))
        # {% if health_checks %}
        readiness = await stack.enter_async_context(Readiness.open(settings, drain=drain))
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
            # {% if health_checks %}
            readiness=readiness,
            # {% endif %}
        )


@contextmanager
def tuned_garbage_collector() -> Iterator[None]:
    """Let collections skip all that start-up made, and come less often.

    With CPython's thresholds a page of rows costs a third more, most of it spent on looking
    again at modules and mappings that live as long as the process. Where several applications
    are open, as in tests, the first does it for all.
    """
    thresholds = gc.get_threshold()
    if thresholds == GC_THRESHOLDS:
        yield
        return
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
