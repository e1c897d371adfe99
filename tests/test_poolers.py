"""A service whose connections to PostgreSQL go through PgBouncer in transaction mode."""

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ServiceWith
from tests.helpers.pgbouncer import pgbouncer
from tests.helpers.process import Deployment, Process, deployed, environ, eventually, request
from tests.helpers.service import attempt, run

CLIENTS = 50
SECONDS = 4
TWO_CONNECTIONS = {"pool_mode": "transaction", "default_pool_size": 2}
OURS = "statement_timeout,lock_timeout,default_transaction_read_only,options"

THROUGH_THE_POOLER = (
    "tests/database/test_driver.py",
    "tests/database/test_session.py",
)
"""Tests of a service that see timeouts, sessions, transactions and errors of all kinds."""

OTHERWISE = "refused_leaves_no_statement"
"""A test that knows the process of the server that had its connection."""

HELD = """
import asyncio, sys
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from order_desk.database.driver import NOTHING_PREPARED
from order_desk.database_url import parse_database_url

STATE = text('''
    SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')
    || ' ' || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')
    || ' ' || (SELECT count(*) FROM pg_prepared_statements WHERE name <> '')
''')

async def main():
    engine = create_async_engine(parse_database_url(sys.argv[1]), connect_args=NOTHING_PREPARED)
    async with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            print(await connection.scalar(STATE))

asyncio.run(main())
"""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("poolers")]


@pytest.fixture(scope="module", params=["asyncpg", "psycopg"])
def deployment(
    request: pytest.FixtureRequest, service_with: ServiceWith, pytestconfig: pytest.Config
) -> Iterator[Deployment]:
    """A service whose users have fast paths and whose orders have none."""
    service = service_with(database_driver=request.param, http_client="none", fast_paths=True)
    environment = service.environment(pytestconfig.getoption("service_python"))
    with deployed(service, environment) as provided:
        yield provided


def use(process: Process, until: float) -> dict[str, set[int]]:
    """Do with the service all that can be done, and return the statuses of each kind of request."""
    statuses: defaultdict[str, set[int]] = defaultdict(set)
    with closing(process.connection()) as connection:

        def ask(kind: str, path: str, body: object = None) -> Any:
            status, answer = request(connection, kind.split(maxsplit=1)[0], path, body)
            statuses[kind].add(status)
            return answer if status < 300 else None

        def person() -> dict[str, str]:
            return {"email": f"{random.getrandbits(64):x}@example.com", "full_name": "x"}

        while time.monotonic() < until:
            user = ask("POST", "/users", person())
            ask("GET many", "/users?limit=5&include=orders")
            ask("POST bulk", "/users/bulk", {"users": [person() for _ in range(200)]})
            if user is None:
                continue
            path = f"/users/{user['id']}"
            ask("GET", path)
            ask("POST order", f"{path}/orders", {"item": "Gears"})
            ask("GET orders", f"{path}/orders")
            ask("PATCH", path, {"full_name": "y"})
            ask("DELETE", path)
    return statuses


def test_fifty_clients_share_two_connections(deployment: Deployment) -> None:
    with pgbouncer(deployment.url, **TWO_CONNECTIONS) as url:
        pooled = replace(deployment, url=url)
        with pooled.started(database_pooler="transaction", workers=2) as process:
            eventually(process.ready)
            until = time.monotonic() + SECONDS
            with ThreadPoolExecutor(CLIENTS) as pool:
                clients = [pool.submit(use, process, until) for _ in range(CLIENTS)]
            ready = process.ready()
    statuses: defaultdict[str, set[int]] = defaultdict(set)
    for client in clients:
        for kind, seen in client.result().items():
            statuses[kind] |= seen

    assert len(statuses) == 8
    for kind, seen in statuses.items():
        assert seen & {200, 201, 204}, kind
        assert seen <= {200, 201, 204, 503}, kind
    assert ready


def test_the_suite_passes_through_the_pooler(deployment: Deployment) -> None:
    with pgbouncer(deployment.url, **TWO_CONNECTIONS) as url:
        deployment.service.run_module(
            deployment.environment,
            *("pytest", "-q", "-n0", "-p", "no:cacheprovider", "-k", f"not {OTHERWISE}"),
            *THROUGH_THE_POOLER,
            TEST_DATABASE_URL=url,
            DATABASE_POOLER="transaction",
        )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "unsupported startup parameter"),
        ({"ignore_startup_parameters": OURS}, "statement_timeout, lock_timeout: set"),
    ],
)
def test_a_pooler_without_the_setting_is_named_at_the_start(
    deployment: Deployment, options: dict[str, str], reason: str, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    with pgbouncer(deployment.url, **TWO_CONNECTIONS, **options) as url:
        pooled = replace(deployment, url=url)
        with pooled.started(output=output) as process:
            exit_code = process.popen.wait(60)

    *_, line = output.read_text("utf-8").splitlines()
    assert exit_code == 1
    assert line.startswith("Cannot start, check DATABASE_URL: ")
    assert reason in line
    assert line.endswith("set DATABASE_POOLER=transaction")


def test_migrations_leave_nothing_on_the_connections_of_a_pooler(deployment: Deployment) -> None:
    service, environment = deployment.service, deployment.environment
    with (
        pgbouncer(deployment.url, **TWO_CONNECTIONS) as url,
        ThreadPoolExecutor(3) as pool,
    ):

        def upgrade(_: int) -> str:
            return service.run_module(environment, "alembic", "upgrade", "head", DATABASE_URL=url)

        service.run_module(environment, "alembic", "downgrade", "base", DATABASE_URL=url)
        outputs = [*pool.map(upgrade, range(3))]
        held = run(*(environment.python, "-c", HELD, url), cwd=service.folder, **environ(service))

    assert "".join(outputs).count("Running upgrade") == 1
    assert held.splitlines() == ["0 0 0 0"] * 2


def test_migrations_go_past_the_pooler_when_told(deployment: Deployment) -> None:
    outcome = attempt(
        *(deployment.environment.python, "-m", "alembic", "upgrade", "head"),
        cwd=deployment.service.folder,
        **environ(
            deployment.service,
            DATABASE_URL="postgresql://nobody@127.0.0.1:1/nowhere",
            DATABASE_MIGRATION_URL=deployment.url,
        ),
    )

    outcome.expect_success()
