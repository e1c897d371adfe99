"""The files of a service, written out: what `_exclude` leaves is compared with this table."""

from collections.abc import Mapping
from typing import Any

COMMON = """
    .copier-answers.yml
    .env.example
    .gitattributes
    .github/workflows/ci.yml
    .gitignore
    AGENTS.md
    README.md
    docs/architecture.md
    docs/guides.md
    docs/operations.md
    docs/patterns.md
    docs/promises.md
    pyproject.toml
    rules/checks/asyncio.yml
    rules/checks/fastapi.yml
    rules/checks/migrations.yml
    rules/checks/pools.yml
    rules/checks/sqlalchemy.yml
    rules/checks/suppressions.yml
    rules/examples/asyncio.yml
    rules/examples/fastapi.yml
    rules/examples/migrations.yml
    rules/examples/pools.yml
    rules/examples/sqlalchemy.yml
    rules/examples/suppressions.yml
    rules/utils/session.yml
    scripts/__init__.py
    scripts/dev.py
    scripts/pools.py
    scripts/revision.py
    scripts/template.py
    sgconfig.yml
    src/{package}/__init__.py
    src/{package}/__main__.py
    src/{package}/database/__init__.py
    src/{package}/database/base.py
    src/{package}/database/dependencies.py
    src/{package}/database/driver.py
    src/{package}/database/engine.py
    src/{package}/database/errors.py
    src/{package}/database/faults.py
    src/{package}/database/gate.py
    src/{package}/database/pools.py
    src/{package}/database/preflight.py
    src/{package}/database/repository.py
    src/{package}/database/retries.py
    src/{package}/database/session.py
    src/{package}/database/types.py
    src/{package}/database_url.py
    src/{package}/lifespan.py
    src/{package}/main.py
    src/{package}/migrations/__init__.py
    src/{package}/migrations/env.py
    src/{package}/migrations/script.py.mako
    src/{package}/migrations/upgrade.py
    src/{package}/models.py
    src/{package}/server/__init__.py
    src/{package}/server/drain.py
    src/{package}/server/garbage_collection.py
    src/{package}/server/logs.py
    src/{package}/server/protocol.py
    src/{package}/server/watchdog.py
    src/{package}/settings.py
    src/{package}/web/__init__.py
    src/{package}/web/deadline.py
    src/{package}/web/middleware.py
    src/{package}/web/pagination.py
    src/{package}/web/problems.py
    src/{package}/web/schemas.py
    src/{package}/web/serialization.py
    src/{package}/web/state.py
    tests/__init__.py
    tests/conftest.py
    tests/database/__init__.py
    tests/database/test_driver.py
    tests/database/test_errors.py
    tests/database/test_gate.py
    tests/database/test_migrations.py
    tests/database/test_preflight.py
    tests/database/test_pools.py
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
    tests/owner.py
    tests/process/__init__.py
    tests/process/serve.py
    tests/process/service.py
    tests/process/test_drain.py
    tests/process/test_process.py
    tests/sample.py
    tests/server/__init__.py
    tests/server/connections.py
    tests/server/test_garbage_collection.py
    tests/server/test_logs.py
    tests/server/test_protocol.py
    tests/server/test_watchdog.py
    tests/support.py
    tests/test_database_url.py
    tests/test_lifespan.py
    tests/test_main.py
    tests/test_patterns.py
    tests/test_settings.py
    tests/web/__init__.py
    tests/web/test_deadline.py
    tests/web/test_middleware.py
    tests/web/test_pagination.py
    tests/web/test_problems.py
    tests/web/test_schemas.py
    tests/web/test_serialization.py
"""

# Files that need answers: every answer named must be one of those listed.
OWNED: tuple[tuple[Mapping[str, tuple[Any, ...]], str], ...] = (
    (
        {"database_driver": ("asyncpg", "psycopg", "asyncmy")},
        """
        scripts/embedded.py
        scripts/pools_server.py
        tests/database/test_engine.py
        tests/faults/network.py
        tests/faults/test_lost_database.py
        """,
    ),
    (
        {"database_driver": ("asyncpg", "psycopg")},
        """
        scripts/postgres.py
        src/{package}/database/pooler.py
        tests/database/test_pooler.py
        """,
    ),
    (
        {"database_driver": ("asyncpg", "psycopg"), "fast_paths": (True,)},
        """
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
        src/{package}/upstream/client.py
        src/{package}/upstream/endpoints.py
        src/{package}/upstream/paths.py
        src/{package}/upstream/reply.py
        src/{package}/upstream/schemas.py
        src/{package}/upstream/service.py
        tests/upstream/__init__.py
        tests/upstream/conftest.py
        tests/upstream/server.py
        tests/upstream/test_client.py
        tests/upstream/test_fetch.py
        tests/upstream/test_paths.py
        tests/upstream/test_reply.py
        """,
    ),
    (
        {"telemetry": ("prometheus", "otlp")},
        """
        src/{package}/telemetry/__init__.py
        src/{package}/telemetry/measures.py
        src/{package}/telemetry/pools.py
        src/{package}/telemetry/requests.py
        src/{package}/telemetry/sampling.py
        tests/telemetry/__init__.py
        tests/telemetry/test_requests.py
        """,
    ),
    (
        {"telemetry": ("prometheus", "otlp"), "http_client": ("httpx2", "aiohttp")},
        """
        src/{package}/telemetry/upstream.py
        """,
    ),
    (
        {
            "telemetry": ("prometheus", "otlp"),
            "http_client": ("httpx2", "aiohttp"),
            "auth": ("oidc",),
        },
        """
        src/{package}/telemetry/provider.py
        """,
    ),
    (
        {"telemetry": ("prometheus",)},
        """
        deploy/telemetry/dashboard.json
        deploy/telemetry/rules.yml
        scripts/pools_measured.py
        src/{package}/telemetry/exposition.py
        src/{package}/telemetry/prometheus.py
        tests/telemetry/test_exposition.py
        """,
    ),
    (
        {"telemetry": ("otlp",)},
        """
        src/{package}/telemetry/otlp.py
        src/{package}/telemetry/spans.py
        tests/telemetry/test_otlp.py
        """,
    ),
    (
        {"deploy": ("container", "kubernetes")},
        """
        .dockerignore
        .github/dependabot.yml
        .github/workflows/template.yml
        Dockerfile
        compose.yaml
        """,
    ),
    (
        {"deploy": ("kubernetes",)},
        """
        deploy/base/autoscaler.yaml
        deploy/base/deployment.yaml
        deploy/base/disruption-budget.yaml
        deploy/base/kustomization.yaml
        deploy/base/migration.yaml
        deploy/base/network-policy.yaml
        deploy/base/service-account.yaml
        deploy/base/service.yaml
        deploy/overlays/production/kustomization.yaml
        deploy/overlays/production/namespace.yaml
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
        src/{package}/orders/schemas.py
        src/{package}/orders/service.py
        src/{package}/users/__init__.py
        src/{package}/users/endpoints.py
        src/{package}/users/models.py
        src/{package}/users/repository.py
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
    (
        {"fast_paths": (True,)},
        """
        src/{package}/fast/__init__.py
        src/{package}/fast/connections.py
        src/{package}/fast/routing.py
        src/{package}/fast/statements.py
        tests/fast/__init__.py
        tests/fast/test_routing.py
        tests/fast/test_statements.py
        """,
    ),
    (
        {"auth": ("oidc",)},
        """
        scripts/issuer.py
        src/{package}/auth/__init__.py
        src/{package}/auth/dependencies.py
        src/{package}/auth/endpoints.py
        src/{package}/auth/keys.py
        src/{package}/auth/problems.py
        src/{package}/auth/tokens.py
        tests/auth/__init__.py
        tests/auth/test_routes.py
        tests/auth/test_tokens.py
        tests/auth/tokens.py
        """,
    ),
    (
        {"auth": ("oidc",), "http_client": ("httpx2", "aiohttp")},
        """
        src/{package}/auth/provider.py
        tests/auth/provider.py
        tests/auth/test_provider.py
        """,
    ),
    (
        {"example": (True,), "fast_paths": (True,), "auth": ("none",)},
        """
        src/{package}/users/fast.py
        tests/users/test_fast.py
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
