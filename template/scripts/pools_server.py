"""Whether the database server has room for the pools of all machines."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import URL, text
from sqlalchemy.exc import SQLAlchemyError

from {{ package_name }}.database.engine import create_engine
from {{ package_name }}.database.preflight import why_not_connected
from {{ package_name }}.settings import Settings
from {{ package_name }}.web.problems import Problem

FREE = 10
"""Connections for migrations, people and monitoring, and for what the server keeps for itself."""

# {% if health_checks %}
CHECKS = 2
"""Connections of a worker for its readiness checks."""

# {% endif %}
# {% if postgresql %}
LIMITS = """
SELECT current_setting('max_connections')::int,
    current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int,
    least(
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
    )
"""
"""Asks what the server accepts, what it keeps for superusers, and what the role may have of it."""

OPEN_NOW = "SELECT 'open', count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
# {% else %}
LIMITS = "SELECT @@max_connections, 0, nullif(@@max_user_connections, 0)"
"""Asks what the server accepts, what it keeps for itself, and what the user may have of it."""

OPEN_NOW = "SHOW GLOBAL STATUS LIKE 'Threads_connected'"
# {% endif %}


@dataclass(frozen=True, kw_only=True)
class Server:
    """What a server has, and how many pools of a worker go to it."""

    setting: str
    pools: int
    accepts: int
    keeps: int
    of_user: int | None
    open_now: int

    @property
    def room(self) -> int:
        """The connections that the fleet may have."""
        room = self.accepts - max(self.keeps, FREE)
        return room if self.of_user is None else min(room, self.of_user)

    def largest_pool(self, settings: Settings, replicas: int) -> int:
        """Return the largest DATABASE_POOL_SIZE with which the fleet fits."""
        of_worker = self.room // (settings.workers * replicas){{ " - CHECKS" if health_checks else "" }}
        return of_worker // self.pools - settings.database_max_overflow


def examine_servers(settings: Settings, replicas: int) -> tuple[list[str], int | None]:
    """Print what there is; return what is to be changed, and the largest pool that fits."""
    connections = settings.database_pool_size + settings.database_max_overflow
    changes, largest = [], []
    for server in asyncio.run(ask_servers(settings)):
        of_worker = server.pools * connections{{ " + CHECKS" if health_checks else "" }}
        fleet = of_worker * settings.workers * replicas
        print(
            f"{server.setting}: a worker opens up to {server.pools} * {connections}{{ " + {CHECKS}" if health_checks else "" }}"
            f" = {of_worker} connections, and all on {replicas} machines {fleet}.\n"
            f"The server accepts {server.accepts}, of which {server.room} are for them;"
            f" {server.open_now} are open now."
        )
        # {% if postgresql %}
        if settings.database_pooler == "transaction":
            print(
                f"A pooler is between: its max_client_conn has to be {fleet} or more, and what it"
                f" opens itself {server.room} or less."
            )
            continue
        # {% endif %}
        largest.append(server.largest_pool(settings, replicas))
        if fleet > server.room:
            changes.append(advise(server, fleet, largest[-1]))
    return changes, min(largest, default=None)


def advise(server: Server, fleet: int, largest: int) -> str:
    """Say how the fleet would fit."""
    if server.of_user is not None and server.of_user <= server.room:
        # {% if postgresql %}
        raised = f"the connection limit of the role and of the database to {fleet} or more"
        # {% else %}
        raised = f"max_user_connections to {fleet} or more"
        # {% endif %}
    else:
        raised = f"max_connections to {fleet + max(server.keeps, FREE)} or more"
    smaller = f"DATABASE_POOL_SIZE={largest}, " if largest > 0 else ""
    # {% if postgresql %}
    others = f"{smaller}fewer WORKERS or machines, a pooler, or raise {raised}"
    # {% else %}
    others = f"{smaller}fewer WORKERS or machines, or raise {raised}"
    # {% endif %}
    return f"{server.setting}: {fleet} connections do not fit {server.room}: {others}."


async def ask_servers(settings: Settings) -> list[Server]:
    """Return the servers of the service; raise SystemExit if one says nothing."""
    if settings.database_read_url is None:
        return [await ask_server("DATABASE_URL", settings.database_url, settings, pools=2)]
    return [
        await ask_server("DATABASE_URL", settings.database_url, settings, pools=1),
        await ask_server("DATABASE_READ_URL", settings.database_read_url, settings, pools=1),
    ]


async def ask_server(setting: str, url: URL, settings: Settings, *, pools: int) -> Server:
    """Ask a server for its limits."""
    engine = create_engine(url, settings, read_only=True, pool_size=1)
    try:
        async with asyncio.timeout(settings.database_pool_timeout), engine.connect() as connection:
            accepts, keeps, of_user = (await connection.execute(text(LIMITS))).one()
            _, open_now = (await connection.execute(text(OPEN_NOW))).one()
    except (Problem, SQLAlchemyError, OSError) as error:
        message = f"Check {setting}: {why_not_connected(url, error)}"
        raise SystemExit(message) from None
    finally:
        await engine.dispose()
    return Server(
        setting=setting,
        pools=pools,
        accepts=accepts,
        keeps=keeps,
        of_user=of_user,
        open_now=int(open_now) - 1,  # without this one
    )
