"""`poe pools` of a service: it tells what fits, and who does what it says has pools that fit."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import ServiceWith
from tests.helpers.metrics import await_metrics, paced
from tests.helpers.process import (
    PROVIDE,
    Deployment,
    deployed,
    environ,
    eventually,
    free_port,
    provider,
)
from tests.helpers.service import Environment, Outcome, Service, attempt
from tests.helpers.staged import add_routes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pools")]

VARIANTS: dict[str, dict[str, Any]] = {
    "asyncpg": {"telemetry": "prometheus"},
    "psycopg": {"telemetry": "none", "health_checks": False},
    "asyncmy": {"telemetry": "otlp"},
    "aiosqlite": {"telemetry": "prometheus"},
}

ADVICE = re.compile(r"DATABASE_POOL_SIZE=(\d+)")


def diagnose(
    service: Service, environment: Environment, *arguments: str, **settings: object
) -> Outcome:
    """Run the doctor."""
    variables = {name.upper(): str(value) for name, value in settings.items()}
    return attempt(
        environment.python,
        *("-m", "scripts.pools", *arguments),
        cwd=service.folder,
        **environ(service, **variables),
    )


@contextmanager
def database_of(
    service_with: ServiceWith, config: pytest.Config, driver: str
) -> Iterator[tuple[Service, Environment, str]]:
    service = service_with(database_driver=driver, **VARIANTS[driver])
    environment = service.environment(config.getoption("service_python"))
    with provider(service, environment, PROVIDE) as (_, url):
        yield service, environment, url


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "asyncmy"])
def test_a_fleet_that_does_not_fit_its_server_is_told_what_does(
    service_with: ServiceWith, pytestconfig: pytest.Config, driver: str
) -> None:
    with database_of(service_with, pytestconfig, driver) as (service, environment, url):

        def outcome(size: object) -> Outcome:
            return diagnose(service, environment, database_url=url, database_pool_size=size)

        too_large = outcome(1000)
        largest = int(ADVICE.findall(too_large.output)[-1])
        fits, over = outcome(largest), outcome(largest + 1)
        more_machines = diagnose(
            service, environment, "--replicas=900", database_url=url, database_pool_size=1
        )

    assert [each.status for each in (too_large, fits, over)] == [1, 0, 1], too_large.output
    assert "The pools fit." in fits.output
    assert more_machines.status == 1
    assert "fewer WORKERS or machines" in more_machines.output
    assert not ADVICE.search(more_machines.output)


def test_the_limit_of_a_database_counts(
    service_with: ServiceWith, pytestconfig: pytest.Config
) -> None:
    with database_of(service_with, pytestconfig, "asyncpg") as (service, environment, url):
        name = url.rpartition("/")[2].partition("?")[0]
        deployment = Deployment(service, environment, url)
        before = diagnose(service, environment, database_url=url)
        deployment.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 30')
        after = diagnose(service, environment, database_url=url)

    assert (before.status, after.status) == (0, 1), before.output + after.output
    assert "the connection limit of the role and of the database" in after.output


def test_behind_a_pooler_its_own_limits_are_named(
    service_with: ServiceWith, pytestconfig: pytest.Config
) -> None:
    with database_of(service_with, pytestconfig, "asyncpg") as (service, environment, url):
        outcome = diagnose(
            service,
            environment,
            database_url=url,
            database_pooler="transaction",
            database_pool_size=100,
        )

    assert outcome.status == 0, outcome.output
    assert "its max_client_conn has to be 808 or more" in outcome.output


@pytest.mark.parametrize("driver", VARIANTS)
def test_what_cannot_be_told_is_no_success(
    service_with: ServiceWith, pytestconfig: pytest.Config, driver: str
) -> None:
    with database_of(service_with, pytestconfig, driver) as (service, environment, url):
        without_settings = diagnose(service, environment)
        gone = re.sub(r":\d+/", ":1/", url)
        without_server = diagnose(service, environment, database_url=gone)
        measures = VARIANTS[driver]["telemetry"] == "prometheus"
        nowhere = f"--metrics=http://127.0.0.1:{free_port()}/metrics"
        without_metrics = diagnose(service, environment, nowhere, database_url=url)

    assert without_settings.status == 2
    assert "DATABASE_URL" in without_settings.output
    assert without_server.status == (0 if driver == "aiosqlite" else 2), without_server.output
    assert without_metrics.status == 2
    assert ("No metrics at" if measures else "unrecognized arguments") in without_metrics.output
    assert "Traceback" not in "".join(
        each.output for each in (without_settings, without_server, without_metrics)
    )


def told(pool: str, values: dict[str, float]) -> str:
    """Return what a service would tell of a pool of 20 connections."""
    waits = values.get("waits", 0)
    of_pool = f'db_client_connection_pool_name="{pool}"'
    lines = {
        f"max{{{of_pool}}}": 20,
        f"uses_total{{{of_pool}}}": values.get("uses", 0),
        f"use_seconds_total{{{of_pool}}}": values.get("seconds", 0),
        f"timeouts_total{{{of_pool}}}": values.get("refused", 0),
        f'count{{{of_pool},db_client_connection_state="used"}}': values.get("open", 0),
        f"wait_time_seconds_count{{{of_pool}}}": waits,
        f'wait_time_seconds_bucket{{{of_pool},le="0.1"}}': values.get("short", 0),
        f'wait_time_seconds_bucket{{{of_pool},le="+Inf"}}': waits,
    }
    return "".join(f"db_client_connection_{name} {value}\n" for name, value in lines.items())


@contextmanager
def telling(*texts: str) -> Iterator[str]:
    """Tell one text after the other; yield where."""
    left = list(texts)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(left.pop(0).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()


CASES: dict[str, tuple[dict[str, float], int, str]] = {
    "nobody": ({}, 0, "The pools fit."),
    "little": ({"uses": 100, "seconds": 2}, 0, "The pools fit."),
    "short waits": (
        {"uses": 100, "seconds": 2, "waits": 9, "short": 9},
        0,
        "waited 100 ms at most",
    ),
    "short sessions": (
        {"uses": 400, "seconds": 19, "waits": 50, "short": 10},
        1,
        "DATABASE_POOL_SIZE=15, since 19.0 connections",
    ),
    "long sessions": (
        {"uses": 40, "seconds": 19, "waits": 50, "short": 10},
        1,
        "a session holds its connection for 475 ms",
    ),
    "refused": (
        {"uses": 400, "seconds": 20, "refused": 400},
        1,
        "DATABASE_POOL_SIZE=30, since 40.0 connections",
    ),
    "bursts": (
        {"uses": 100, "seconds": 2, "waits": 50, "short": 10},
        1,
        "They come in bursts",
    ),
    "hung": ({"open": 20, "seconds": 20}, 1, "none came back"),
}
"""What the pools of two workers tell after a second, the exit code, and what is said."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("pool", ["read", "write"])
def test_what_is_measured_becomes_advice(
    service_with: ServiceWith, pytestconfig: pytest.Config, case: str, pool: str
) -> None:
    values, status, words = CASES[case]
    other = "write" if pool == "read" else "read"
    with (
        database_of(service_with, pytestconfig, "aiosqlite") as (service, environment, url),
        telling(told(pool, {}) + told(other, {}), told(pool, values) + told(other, {})) as place,
    ):
        outcome = diagnose(
            service,
            environment,
            *("--metrics", place, "--seconds=1"),
            database_url=url,
            database_pool_size=10,
            workers=2,
        )

    if pool == "write" and values.get("seconds", 0) > 1:
        status, words = 1, "one can write"
    assert outcome.status == status, outcome.output
    assert words in outcome.output


def test_other_metrics_are_no_success(
    service_with: ServiceWith, pytestconfig: pytest.Config
) -> None:
    with (
        database_of(service_with, pytestconfig, "aiosqlite") as (service, environment, url),
        telling("up 1\n", "up 1\n") as place,
    ):
        outcome = diagnose(
            service, environment, "--metrics", place, "--seconds=0.1", database_url=url
        )

    assert outcome.status == 2
    assert "are not those of this service" in outcome.output


def test_who_follows_the_advice_has_pools_that_fit(
    service_with: ServiceWith, pytestconfig: pytest.Config
) -> None:
    """60 sessions a second of 50 ms need 3 connections at a time, and a pool has 2."""
    service = service_with(telemetry="prometheus")
    add_routes(service.folder)
    environment = service.environment(pytestconfig.getoption("service_python"))
    outcomes: dict[int, Outcome] = {}
    with deployed(service, environment) as deployment:
        size = 2
        while size not in outcomes and len(outcomes) < 4:
            port = free_port()
            with deployment.started(metrics_port=port, database_pool_size=size) as process:
                eventually(process.ready)
                await_metrics(port)
                with paced(process, 60, "GET", "/staged/statement/50"):
                    outcomes[size] = diagnose(
                        service,
                        environment,
                        *("--metrics", f"http://127.0.0.1:{port}/metrics", "--seconds=5"),
                        database_url=deployment.url,
                        database_pool_size=size,
                        workers=1,
                    )
            advice = ADVICE.findall(outcomes[size].output)
            size = int(advice[-1]) if advice else size

    results = json.dumps({size: each.output for size, each in outcomes.items()}, indent=1)
    assert outcomes[2].status == 1, results
    assert list(outcomes.values())[-1].status == 0, results
    assert 3 < list(outcomes)[-1] < 12, results
