"""The files of a service, written out: what `_exclude` leaves is compared with this table."""

from collections.abc import Mapping
from typing import Any

COMMON = """
    .copier-answers.yml
    .env.example
    .github/workflows/ci.yml
    .gitignore
    README.md
    docs/patterns.md
    docs/promises.md
    pyproject.toml
    rules/checks/asyncio.yml
    rules/checks/fastapi.yml
    rules/checks/pools.yml
    rules/checks/sqlalchemy.yml
    rules/checks/suppressions.yml
    rules/examples/asyncio.yml
    rules/examples/fastapi.yml
    rules/examples/pools.yml
    rules/examples/sqlalchemy.yml
    rules/examples/suppressions.yml
    scripts/__init__.py
    scripts/dev.py
    sgconfig.yml
    src/{package}/__init__.py
    src/{package}/__main__.py
    src/{package}/database/__init__.py
    src/{package}/database/base.py
    src/{package}/database/compiled.py
    src/{package}/database/dependencies.py
    src/{package}/database/driver.py
    src/{package}/database/engine.py
    src/{package}/database/errors.py
    src/{package}/database/faults.py
    src/{package}/database/gate.py
    src/{package}/database/greenlets.py
    src/{package}/database/preflight.py
    src/{package}/database/repository.py
    src/{package}/database/retries.py
    src/{package}/database/session.py
    src/{package}/database/types.py
    src/{package}/drain.py
    src/{package}/lifespan.py
    src/{package}/logs.py
    src/{package}/main.py
    src/{package}/middleware.py
    src/{package}/migrations/__init__.py
    src/{package}/migrations/env.py
    src/{package}/migrations/script.py.mako
    src/{package}/models.py
    src/{package}/operations.py
    src/{package}/pagination.py
    src/{package}/problems.py
    src/{package}/protocol.py
    src/{package}/routing.py
    src/{package}/schemas.py
    src/{package}/serialization.py
    src/{package}/settings.py
    src/{package}/timers.py
    src/{package}/watchdog.py
    tests/__init__.py
    tests/conftest.py
    tests/database/__init__.py
    tests/database/test_add.py
    tests/database/test_compiled.py
    tests/database/test_driver.py
    tests/database/test_gate.py
    tests/database/test_greenlets.py
    tests/database/test_migrations.py
    tests/database/test_preflight.py
    tests/database/test_repository.py
    tests/database/test_session.py
    tests/databases.py
    tests/faults/__init__.py
    tests/faults/conftest.py
    tests/faults/pools.py
    tests/faults/statements.py
    tests/faults/test_commit.py
    tests/faults/test_deadline.py
    tests/faults/test_event_loop.py
    tests/faults/test_overload.py
    tests/faults/test_retries.py
    tests/guards.py
    tests/process/__init__.py
    tests/process/serve.py
    tests/process/service.py
    tests/process/test_drain.py
    tests/process/test_process.py
    tests/sample.py
    tests/support.py
    tests/test_catalogue.py
    tests/test_lifespan.py
    tests/test_logs.py
    tests/test_main.py
    tests/test_middleware.py
    tests/test_operations.py
    tests/test_pagination.py
    tests/test_patterns.py
    tests/test_problems.py
    tests/test_promises.py
    tests/test_protocol.py
    tests/test_routing.py
    tests/test_schemas.py
    tests/test_serialization.py
    tests/test_settings.py
    tests/test_timers.py
    tests/test_watchdog.py
"""

# Files that need answers: every answer named must be one of those listed.
OWNED: tuple[tuple[Mapping[str, tuple[Any, ...]], str], ...] = (
    (
        {"database_driver": ("asyncpg", "psycopg", "asyncmy")},
        """
        scripts/embedded.py
        tests/database/test_engine.py
        tests/faults/network.py
        tests/faults/test_lost_database.py
        """,
    ),
    (
        {"database_driver": ("asyncpg", "psycopg")},
        """
        scripts/postgres.py
        src/{package}/database/bulk.py
        tests/database/test_bulk.py
        """,
    ),
    (
        {"database_driver": ("asyncmy",)},
        """
        scripts/mariadb.py
        """,
    ),
    (
        {"http_client": ("httpx2", "aiohttp")},
        """
        rules/checks/http_client.yml
        rules/examples/http_client.yml
        src/{package}/upstream/__init__.py
        src/{package}/upstream/body.py
        src/{package}/upstream/client.py
        src/{package}/upstream/endpoints.py
        src/{package}/upstream/failures.py
        src/{package}/upstream/schemas.py
        src/{package}/upstream/service.py
        tests/upstream/__init__.py
        tests/upstream/conftest.py
        tests/upstream/server.py
        tests/upstream/test_body.py
        tests/upstream/test_client.py
        tests/upstream/test_fetch.py
        tests/upstream/test_paths.py
        """,
    ),
    (
        {"health_checks": (True,)},
        """
        src/{package}/health/__init__.py
        src/{package}/health/endpoints.py
        src/{package}/health/readiness.py
        tests/health/__init__.py
        tests/health/test_health.py
        """,
    ),
    (
        {"example": (True,)},
        """
        scripts/seed.py
        src/{package}/migrations/versions/0001_users_and_orders.py
        src/{package}/orders/__init__.py
        src/{package}/orders/endpoints.py
        src/{package}/orders/models.py
        src/{package}/orders/repository.py
        src/{package}/orders/rows.py
        src/{package}/orders/schemas.py
        src/{package}/orders/service.py
        src/{package}/users/__init__.py
        src/{package}/users/endpoints.py
        src/{package}/users/models.py
        src/{package}/users/repository.py
        src/{package}/users/rows.py
        src/{package}/users/schemas.py
        src/{package}/users/service.py
        tests/orders/__init__.py
        tests/orders/test_orders.py
        tests/users/__init__.py
        tests/users/test_users.py
        """,
    ),
    (
        {"example": (False,)},
        """
        src/{package}/migrations/versions/.gitkeep
        """,
    ),
)


def expected_files(answers: Mapping[str, Any]) -> set[str]:
    """Return the paths of all files that a service of these answers has."""
    files = COMMON
    for needed, owned in OWNED:
        if all(answers[option] in accepted for option, accepted in needed.items()):
            files += owned
    return set(files.replace("{package}", answers["package_name"]).split())
