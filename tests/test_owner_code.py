"""An owner's ordinary code works in a rendered service, and so does what the template has chosen.

`owner_code/` holds what FastAPI's documentation shows, chapter by chapter, what owners add to a
service, and what is proved here once and need not be proved in each service: what its libraries do
with the settings that the template gives them. It is copied into the service's tests, is run there,
and is checked by the service's lint.
"""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import Render
from tests.helpers.owner import guided_code
from tests.helpers.service import (
    Environment,
    Service,
    cache_folder,
    database_url,
    reasons_to_skip,
)
from tests.helpers.updates import substitute

OWNER_CODE = Path(__file__).parent / "owner_code"

PACKAGES = (
    "a2wsgi>=1.10.10",
    "jinja2>=3.1.6",
    "opentelemetry-instrumentation-fastapi>=0.66b2",
    "opentelemetry-sdk>=1.45.2",
    "python-multipart>=0.0.34",
    "sentry-sdk>=2.75",
)
"""What the owner adds to the dependencies."""

NEAR_THE_DATABASE = ("columns", "errors", "reserve_and_settle", "streams", "websockets")
ON_EACH = ("autogenerate", "hostile_values", "migrations")
DRIVERS = {
    "asyncpg": ("",),
    "aiosqlite": ("asyncio_page", *NEAR_THE_DATABASE, *ON_EACH),
    "psycopg": ("asyncio_page", "columns", "fetching", "pooler", *ON_EACH),
    "asyncmy": ("asyncio_page", "columns", *ON_EACH),
}
"""The drivers, and which files are run with each."""

HTTP_CLIENTS = {"psycopg": "aiohttp"}
"""The clients other than httpx2, by driver."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("owner-code")]

ServiceWith = Callable[[str], Service]


@pytest.fixture(scope="module")
def service_with(render: Render) -> ServiceWith:
    """Render a service with a driver, and add the owner's code."""

    @cache
    def rendered(driver: str) -> Service:
        answers = {
            "project_name": "Order Desk",
            "database_driver": driver,
            "http_client": HTTP_CLIENTS.get(driver, "httpx2"),
        }
        folder = render(answers)
        shutil.copytree(OWNER_CODE, folder / "tests/owner_code")
        (json_data,) = (code for code in guided_code(folder) if "JsonData = " in code)
        (folder / "src/order_desk/web/json_data.py").write_text(json_data, "utf-8")
        if driver == "asyncpg":
            added = "".join(f'    "{package}",\n' for package in PACKAGES)
            pattern = r"^dependencies = \[\n"
            substitute(folder / "pyproject.toml", pattern, rf"\g<0>{added}")
        return Service.rendered(folder, {"package_name": "order_desk", **answers})

    return rendered


@pytest.fixture(scope="module")
def environment(service_with: ServiceWith, pytestconfig: pytest.Config) -> Environment:
    return service_with("asyncpg").environment(pytestconfig.getoption("service_python"))


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_code_works(
    service_with: ServiceWith, pytestconfig: pytest.Config, tmp_path: Path, driver: str
) -> None:
    service = service_with(driver)
    environment = service.environment(pytestconfig.getoption("service_python"))
    files = [f"tests/owner_code/{f'test_{name}.py' if name else ''}" for name in DRIVERS[driver]]
    report = tmp_path / "report.xml"
    url = database_url(driver)

    outcome = service.attempt_module(
        environment,
        *("pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *files),
        **({} if url is None else {"TEST_DATABASE_URL": url}),
    )

    if reasons := reasons_to_skip(report):
        pytest.skip("; ".join(sorted(reasons)))
    outcome.expect_success()


def test_the_lint_accepts_the_code(
    service_with: ServiceWith, environment: Environment, worker_id: str
) -> None:
    service = service_with("asyncpg")
    place = "tests/owner_code"

    service.run_module(environment, "ruff", "format", "--check", "--no-cache", place)
    service.run_module(environment, "ruff", "check", "--no-cache", place)
    folder = cache_folder() / f"mypy-{worker_id}"
    service.run_module(environment, "mypy", "--cache-dir", str(folder), place)
