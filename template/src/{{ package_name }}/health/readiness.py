"""Whether this process can serve: its database answers, is migrated, and no drain has begun."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal, Self, cast

import structlog
from alembic.script import ScriptDirectory
from fastapi import Depends
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import HTTPConnection

# {% if database_driver != "aiosqlite" %}
from ..database.driver import TAKES_NO_CHANGES
# {% endif %}
from ..database.engine import Database, create_engine
from ..database.pools import PoolWatch
from ..server.drain import Drain
from ..settings import Settings
from ..web.problems import Problem
from ..web.state import resource_of

CHECK_SECONDS = 2.0
"""The time each check has."""

CACHE_SECONDS = 1.0
"""How long a result is reused, so that many probes cost the database as much as one."""

Check = Callable[[], Awaitable[None]]
Result = Literal["ok", "failing"]

log = structlog.get_logger()


class NotReady(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = "not-ready"
    title = "Not ready to serve"


class CheckError(Exception):
    """A failed check; its message is logged."""


class Readiness:
    """Runs the checks in parallel, once for all requests at the same time."""

    def __init__(self, checks: Mapping[str, Check], *, drain: Drain) -> None:
        self._checks = checks
        self._drain = drain
        self._running = asyncio.Lock()
        self._results: dict[str, Result] = {}
        self._expires = 0.0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, *, database: Database, drain: Drain
    ) -> AsyncIterator[Self]:
        """Make the checks, on connections of their own so that they wait for no request."""
        async with AsyncExitStack() as stack:
            # {% if database_driver == "aiosqlite" %}
            engine = create_engine(settings.database_url, settings, read_only=True, pool_size=2)
            # {% else %}
            engine = create_engine(settings.database_url, settings, pool_size=2)
            # {% endif %}
            stack.push_async_callback(engine.dispose)
            checks: dict[str, Check] = {
                # {% if database_driver == "aiosqlite" %}
                "database": partial(check_database, engine),
                # {% else %}
                "database": partial(check_writable, engine),
                # {% endif %}
                "migrations": partial(check_migrations, engine),
                "pools": partial(
                    check_pools,
                    [database.read_watch, database.write_watch],
                    # No request holds a connection for longer.
                    seconds=settings.request_timeout + settings.database_pool_timeout,
                ),
            }
            if url := settings.database_read_url:
                replica = create_engine(url, settings, read_only=True, pool_size=1)
                stack.push_async_callback(replica.dispose)
                checks["read_database"] = partial(check_database, replica)
            yield cls(checks, drain=drain)

    async def check(self) -> dict[str, Result]:
        """Return the result of each check; raise NotReady if one fails or the process drains."""
        if self._drain.draining:
            raise NotReady(detail="this process is shutting down")
        async with self._running:
            if time.monotonic() >= self._expires:
                self._results = await self._run()
                self._expires = time.monotonic() + CACHE_SECONDS
        if "failing" in self._results.values():
            raise NotReady(checks=self._results)
        return self._results

    async def _run(self) -> dict[str, Result]:
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(_result(name, check))
                for name, check in self._checks.items()
            }
        return {name: task.result() for name, task in tasks.items()}


async def _result(name: str, check: Check) -> Result:
    try:
        # The second ends what a driver still does about a database that hangs.
        async with asyncio.timeout(CHECK_SECONDS * 1.1), asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever fails, the process is not ready
        # The message of a driver may hold the address or the user of the database.
        reason = str(error) if isinstance(error, CheckError) else type(error).__name__
        log.warning("readiness check failed", check=name, error=reason)
        return "failing"
    return "ok"


async def check_database(engine: AsyncEngine) -> None:
    """Run a statement."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


# {% if database_driver != "aiosqlite" %}
async def check_writable(engine: AsyncEngine) -> None:
    """Check that the database is neither a standby nor read-only."""
    async with engine.connect() as connection:
        if await connection.scalar(text(TAKES_NO_CHANGES)):
            # The next connection may be to the server that has taken its place.
            await connection.invalidate()
            message = "the database takes no changes"
            raise CheckError(message)


# {% endif %}
async def check_migrations(engine: AsyncEngine) -> None:
    """Compare the revision of the schema with the revisions that this code knows.

    A revision that it does not know is a newer one: in a rolling deployment the schema is migrated
    while the old code still serves.
    """
    async with engine.connect() as connection:
        applied = set(await connection.scalars(text("SELECT version_num FROM alembic_version")))
    heads, revisions = await asyncio.to_thread(known_revisions)
    if applied != heads and applied <= revisions:
        message = "migrations are pending"
        raise CheckError(message)


async def check_pools(watches: Sequence[PoolWatch], *, seconds: float) -> None:
    """Check that each pool had a free connection in the last ``seconds``."""
    if any(watch.seconds_exhausted() > seconds for watch in watches):
        message = "a pool is exhausted"
        raise CheckError(message)


@cache
def known_revisions() -> tuple[set[str], set[str]]:
    """Read the migrations; return their heads, and all of them."""
    scripts = ScriptDirectory(Path(__file__).parent.parent / "migrations")
    return set(scripts.get_heads()), {script.revision for script in scripts.walk_revisions()}


async def get_readiness(connection: HTTPConnection) -> Readiness:
    return cast(Readiness, resource_of(connection, "readiness"))


ReadinessDep = Annotated[Readiness, Depends(get_readiness)]
