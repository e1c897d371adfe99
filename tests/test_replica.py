"""A service whose reads go to a standby, and what becomes of it when servers come and go."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import ServiceWith
from tests.helpers.process import Deployment, Process, eventually
from tests.helpers.replication import Server, streaming_pair

READS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'order_desk'"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("replica")]

Replicated = tuple[Deployment, Server, Server]


@pytest.fixture(params=["asyncpg", "psycopg"])
def replicated(
    request: pytest.FixtureRequest, service_with: ServiceWith, pytestconfig: pytest.Config
) -> Iterator[Replicated]:
    """A service whose users have fast paths and whose orders have none, and its two servers."""
    service = service_with(database_driver=request.param, http_client="none", fast_paths=True)
    environment = service.environment(pytestconfig.getoption("service_python"))
    with streaming_pair() as (primary, standby):
        url = f"postgresql://postgres@{primary.host}/postgres"
        service.run_module(environment, "alembic", "upgrade", "head", DATABASE_URL=url)
        yield Deployment(service, environment, url), primary, standby


def url_of(*servers: Server, target: str) -> str:
    hosts = ",".join(server.host for server in servers)
    return f"postgresql://postgres@{hosts}/postgres?target_session_attrs={target}"


def create(process: Process, name: str) -> tuple[int, Any]:
    person = {"email": f"{name}@example.com", "full_name": "Ada Lovelace"}
    return process.request("POST", "/users", person)


def is_created(process: Process, name: str) -> bool:
    """Say whether a new user can be made."""
    return create(process, name)[0] == 201


def status_of(process: Process, path: str) -> int:
    return process.request("GET", path)[0]


def test_reads_go_to_the_standby_and_may_be_late(replicated: Replicated) -> None:
    deployment, _, standby = replicated
    read_url = f"postgresql://postgres@{standby.host}/postgres"
    with deployment.started(database_read_url=read_url) as process:
        eventually(process.ready)
        standby.ask("SELECT pg_wal_replay_pause()")
        status, user = create(process, "late")
        path = f"/users/{user['id']}"
        late = status_of(process, path)
        # Where a row has to be seen, it is read in the session that writes.
        ordered, _ = process.request("POST", f"{path}/orders", {"item": "Gears"})
        renamed, changed = process.request("PATCH", path, {"full_name": "Ada"})
        standby.ask("SELECT pg_wal_replay_resume()")
        eventually(lambda: status_of(process, path) == 200)
        orders = process.request("GET", f"{path}/orders")[1]

    assert (status, late, ordered, renamed) == (201, 404, 201, 200)
    assert changed["full_name"] == "Ada"
    assert [order["item"] for order in orders["items"]] == ["Gears"]


def test_without_the_standby_reads_are_refused_until_it_is_back(replicated: Replicated) -> None:
    deployment, _, standby = replicated
    read_url = f"postgresql://postgres@{standby.host}/postgres"
    with deployment.started(database_read_url=read_url) as process:
        eventually(process.ready)
        standby.stop()
        refused, problem = process.request("GET", "/users")
        written, _ = create(process, "kept")
        eventually(process.leaves)
        standby.start()
        eventually(process.ready)
        eventually(lambda: len(process.request("GET", "/users")[1]["items"]) == 1)

    assert (refused, problem["type"]) == (503, "urn:problem:database-unavailable")
    assert written == 201


def test_with_both_servers_in_the_url_reads_go_to_the_one_that_is_there(
    replicated: Replicated,
) -> None:
    deployment, primary, standby = replicated
    read_url = url_of(standby, primary, target="prefer-standby")
    with deployment.started(database_read_url=read_url) as process:
        eventually(process.ready)
        assert status_of(process, "/users") == 200
        at_the_standby = standby.ask(READS)
        standby.stop()
        eventually(lambda: status_of(process, "/users") == 200, 15)
        statuses = {status_of(process, "/users") for _ in range(10)}
        eventually(process.ready)

    assert int(at_the_standby) > 0
    assert statuses == {200}


def test_a_promoted_standby_takes_the_writes_and_none_is_lost(replicated: Replicated) -> None:
    deployment, primary, standby = replicated
    # A commit is acknowledged when both servers have it.
    primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.ask("SELECT pg_reload_conf()")
    statuses: dict[str, int] = {}
    stop = threading.Event()

    def write(client: int) -> None:
        number = 0
        while not stop.is_set():
            name = f"user-{client}-{number}"
            statuses[name], _ = create(process, name)
            number += 1

    both = replace(deployment, url=url_of(primary, standby, target="read-write"))
    with both.started(database_read_url=url_of(standby, primary, target="any")) as process:
        eventually(process.ready)
        clients = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        eventually(lambda: len(statuses) > 40)
        primary.stop()
        eventually(lambda: 503 in statuses.values())
        standby.ask("ALTER SYSTEM SET synchronous_standby_names = ''")
        standby.promote()
        before = len(statuses)
        eventually(lambda: 201 in [*statuses.values()][before:])
        stop.set()
        for client in clients:
            client.join()
        eventually(process.ready)

    acknowledged = {f"{name}@example.com" for name, status in statuses.items() if status == 201}
    assert set(statuses.values()) <= {201, 503, 504}
    assert acknowledged <= set(standby.ask("SELECT email FROM users").splitlines())


def test_a_server_that_has_become_a_standby_is_left_until_it_takes_changes(
    replicated: Replicated,
) -> None:
    deployment, primary, standby = replicated
    with deployment.started() as process:
        eventually(process.ready)
        assert is_created(process, "first")
        eventually(lambda: standby.ask("SELECT count(*) FROM users") == "1")
        primary.stop()
        standby.promote()
        primary.follow(standby)
        primary.start()
        eventually(lambda: create(process, "refused")[0] == 503, step=0.5)
        refused, problem = create(process, "refused")
        eventually(process.leaves)
        read = status_of(process, "/users")
        primary.promote()
        eventually(lambda: is_created(process, "second"))
        eventually(process.ready)

    assert (refused, problem["type"]) == (503, "urn:problem:database-read-only")
    assert read == 200
    assert primary.ask("SELECT email FROM users ORDER BY email").splitlines() == [
        *("first@example.com", "second@example.com"),
    ]
