"""The example of a service can be deleted as its README tells."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Render
from tests.helpers.lint import findings
from tests.helpers.owner import EXAMPLE, remove_example
from tests.helpers.service import Service

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("fast_paths", "auth"), [(False, "none"), (True, "none"), (False, "oidc")])
def test_a_service_without_its_example_is_whole(
    render: Render, pytestconfig: pytest.Config, *, fast_paths: bool, auth: str
) -> None:
    answers: dict[str, Any] = {
        "project_name": "Order Desk",
        "database_driver": "aiosqlite",
        "fast_paths": fast_paths,
        "auth": auth,
    }
    folder = remove_example(render(answers))
    service = Service.rendered(folder, {"package_name": "order_desk", **answers})
    environment = service.environment(pytestconfig.getoption("service_python"))

    service.run_module(environment, "ruff", "format", "--check", "--no-cache", ".")
    assert findings(service, environment) == []
    service.run_module(environment, "mypy", "--cache-dir", "/dev/null")
    service.run_module(environment, "pytest", "--cov", "-p", "no:cacheprovider")
    service.run_module(environment, "pytest", "--numprocesses=auto", "-p", "no:cacheprovider")


@pytest.mark.parametrize("path", EXAMPLE)
def test_the_readme_names_all_that_is_to_be_deleted(render: Render, path: str) -> None:
    folder = render({"project_name": "Order Desk"})
    text = Path(folder, "README.md").read_text("utf-8").partition("**Remove the example.**")[2]

    name = "0001" if path.endswith(".py") and "0001" in path else Path(path).name
    assert name in text.partition("\n\n")[0]
