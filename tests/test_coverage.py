"""What a service demands of its owner's code is what its README says."""

from pathlib import Path

import pytest

from tests.conftest import Render
from tests.helpers.service import Service
from tests.helpers.updates import substitute

MODULE = '''\
"""Without a test."""


def untested() -> int:
    return 1
'''

pytestmark = pytest.mark.slow


def test_code_of_an_owner_without_a_test_fails_unless_it_is_left_out(
    render: Render, pytestconfig: pytest.Config
) -> None:
    answers = {"project_name": "Order Desk", "database_driver": "aiosqlite", "http_client": "none"}
    folder = render(answers)
    for name in ("invoices", "ledger"):
        add_module(folder / "src/order_desk" / name)
    substitute(folder / "pyproject.toml", r"^omit = \[\]", 'omit = ["src/*/invoices/*"]')
    service = Service.rendered(folder, {"package_name": "order_desk", **answers})
    environment = service.environment(pytestconfig.getoption("service_python"))

    outcome = service.attempt_module(environment, "pytest", "--cov", "-q", "-p", "no:cacheprovider")
    substitute(folder / "pyproject.toml", r"^fail_under = 100", "fail_under = 99")
    again = service.attempt_module(environment, "coverage", "report")

    assert outcome.status == 1
    assert "Coverage failure" in outcome.output
    told = [line.split()[0] for line in outcome.output.splitlines() if line.startswith("src/")]
    assert told == ["src/order_desk/ledger/things.py"]
    again.expect_success()


def add_module(folder: Path) -> None:
    """Add a module that nothing imports."""
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "things.py").write_text(MODULE, "utf-8")
