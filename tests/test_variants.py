"""Every variant: rendered once, then checked as its own developers would check it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extensions.names import package_name_problem
from tests.conftest import Render
from tests.helpers.catalogue import Catalogue, rule_of
from tests.helpers.imports import declared, declared_for_tests, imported, normal, undeclared
from tests.helpers.leftovers import JINJA, leftovers
from tests.helpers.service import (
    Environment,
    Service,
    cache_folder,
    database_url,
    reasons_to_skip,
    run,
)
from tests.helpers.tree import expected_files
from tests.helpers.validators import complaints
from tests.helpers.variants import Variant

# Declared without an import: the server loads the first two, SQLAlchemy the driver by its URL.
LOADED_BY_NAME = {"httptools", "uvloop"}

CODE_BLOCK = re.compile(r"^```python\n.*?^```$", re.MULTILINE | re.DOTALL)

_services: dict[Variant, Service] = {}


@pytest.fixture(scope="session")
def service(variant: Variant, render: Render) -> Service:
    """The rendered variant."""
    if variant not in _services:
        answers: dict[str, Any] = {"project_name": "Order Desk", **variant.answers}
        folder = render(answers)
        _services[variant] = Service.rendered(folder, {"package_name": "order_desk", **answers})
    return _services[variant]


@pytest.fixture(scope="session")
def environment(service: Service, pytestconfig: pytest.Config) -> Environment:
    """The variant's dependencies, installed."""
    return service.environment(pytestconfig.getoption("service_python"))


@pytest.fixture(scope="session")
def mypy_cache(worker_id: str) -> Path:
    """A cache of this worker's for what mypy knows of the libraries; two must not write to one."""
    return cache_folder() / f"mypy-{worker_id}"


def test_files(service: Service) -> None:
    assert service.files == expected_files(service.answers)


def test_no_jinja_is_left(service: Service) -> None:
    found = {file for file in service.files if JINJA.search(service.text(file))}

    assert not found


def test_blank_lines_are_single_and_inside(service: Service) -> None:
    """As a formatter leaves them; Python, also in a document, has two before a definition."""
    for file in sorted(service.files):
        text = service.text(file)
        assert text == text.lstrip("\n"), file
        assert text in {"", f"{text.rstrip()}\n"}, file
        if not file.endswith((".py", ".py.mako")):
            assert "\n\n\n" not in CODE_BLOCK.sub("code", text), file


def test_no_option_that_is_off_is_mentioned(service: Service) -> None:
    found = leftovers(service)

    assert not found, "\n".join(found)


def test_format(service: Service, environment: Environment) -> None:
    service.run_module(environment, "ruff", "format", "--check", "--diff", "--no-cache", ".")


def test_lint(service: Service, environment: Environment) -> None:
    service.run_module(environment, "ruff", "check", "--no-cache", ".")


def test_rules(service: Service, environment: Environment) -> None:
    """No rule complains of the service itself, and each tells its own examples apart."""
    ast_grep = environment.python.parent / "ast-grep"
    run(ast_grep, "scan", "--error=unused-suppression", "--report-style=short", cwd=service.folder)
    run(ast_grep, "test", "--skip-snapshot-tests", cwd=service.folder)
    imports = environment.python.parent / "lint-imports"
    run(imports, "--no-cache", "--no-logo", cwd=service.folder, PYTHONPATH="src")


def test_types(service: Service, environment: Environment, mypy_cache: Path) -> None:
    service.run_module(environment, "mypy", "--cache-dir", str(mypy_cache))


def test_the_package_imports_what_is_declared(service: Service, environment: Environment) -> None:
    dependencies = declared(service.pyproject["project"]["dependencies"])
    used = imported(service, environment.distributions, below=("src/",))

    missing = undeclared(used, dependencies)
    assert not missing
    by_name = LOADED_BY_NAME | {service.answers["database_driver"]}
    unused = dependencies - by_name - set().union(*used.values())
    assert not unused


def test_tests_and_scripts_import_what_is_declared(
    service: Service, environment: Environment
) -> None:
    used = imported(service, environment.distributions, below=("tests/", "scripts/"))

    missing = undeclared(used, declared_for_tests(service.pyproject))
    assert not missing


def test_no_service_can_be_named_like_something_installed(environment: Environment) -> None:
    modules = set(environment.distributions)
    distributions = set().union(*map(set, environment.distributions.values()))
    names = modules | {normal(distribution).replace("-", "_") for distribution in distributions}

    assert not {name for name in names if package_name_problem(name) == ""}


def test_each_rule_and_ban_is_in_the_entry_that_it_leads_to(service: Service) -> None:
    catalogue = Catalogue(service)

    for rule, link in catalogue.rules.items():
        assert f"`{rule}`" in catalogue.entries[link]
    for name, link in catalogue.bans.items():
        assert "`TID251`" in catalogue.entries[link], name


def test_each_rule_has_examples_of_both_kinds(service: Service) -> None:
    catalogue = Catalogue(service)
    examples = catalogue.documents("examples")

    assert sorted(map(rule_of, examples)) == sorted(map(rule_of, catalogue.documents("checks")))
    for example in examples:
        assert "\nvalid:\n  - " in example
        assert "\ninvalid:\n  - " in example


def test_each_entry_is_held_by_what_exists(service: Service) -> None:
    catalogue = Catalogue(service)

    assert catalogue.entries
    for entry, text in catalogue.entries.items():
        held = catalogue.held_by(entry)
        for file, test in re.findall(r"`(tests/.+\.py)::(\w+)`", held):
            assert test in catalogue.tests[file]
        assert set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", held)) <= catalogue.rules.keys()
        assert "```python\n# wrong" in text
        assert "\n# right" in text


def test_each_link_to_an_entry_leads_somewhere(service: Service) -> None:
    entries = Catalogue(service).entries
    for file in service.files:
        if file.endswith(".py"):
            links = re.findall(r"docs/patterns\.md#([a-z-]+)", service.text(file))
            assert set(links) <= entries.keys(), file


def test_each_promise_has_its_test(service: Service) -> None:
    named = set(re.findall(r"`(test_\w+)`", service.text("docs/promises.md")))

    assert named
    assert named <= set().union(*Catalogue(service).tests.values())


def test_operations_has_every_setting_with_its_default(service: Service) -> None:
    text = service.text("docs/operations.md")
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]*?) ?\|", text, re.MULTILINE))
    defaults = {name.upper(): value for name, value in settings_of(service)}

    assert rows == defaults


def settings_of(service: Service) -> Iterator[tuple[str, str]]:
    """Yield the name of each setting, and its default as a person writes it."""
    module = ast.parse(service.text(f"src/{service.answers['package_name']}/settings.py"))
    settings = [node for node in module.body if isinstance(node, ast.ClassDef)]
    assert settings[-1].name == "Settings"
    for field in (field for node in settings for field in node.body):
        if not isinstance(field, ast.AnnAssign):
            continue
        assert isinstance(field.target, ast.Name)
        value = field.value
        if isinstance(value, ast.Call):
            given = [keyword.value for keyword in value.keywords if keyword.arg == "default"]
            value = next(iter([*value.args, *given]), None)
        default = None if value is None else ast.literal_eval(value)
        items = default if isinstance(default, list) else [] if default is None else [default]
        yield field.target.id, ", ".join(map(str, items))


def test_operations_has_the_connections_of_the_fleet(service: Service) -> None:
    if service.answers["database_driver"] == "aiosqlite":
        assert " connections of a worker" not in service.text("docs/operations.md")
        return
    settings = dict(settings_of(service))
    pool = int(settings["database_pool_size"]) + int(settings["database_max_overflow"])
    probes = 2 if service.answers["health_checks"] else 0
    replicas = 6 if service.answers["deploy"] == "kubernetes" else 2

    needed = replicas * int(settings["workers"]) * (2 * pool + probes)
    assert f" = {needed} of {replicas} machines" in service.text("docs/operations.md")

    sums = re.findall(
        r"^    ([0-9 ()*+-]+) = (\d+) ", service.text("docs/operations.md"), re.MULTILINE
    )
    assert len(sums) == (5 if service.answers["database_driver"] in {"asyncpg", "psycopg"} else 4)
    for terms, result in sums:
        assert eval(terms) == int(result), terms  # noqa: S307 - digits and signs


def test_what_other_programs_read_is_valid(service: Service) -> None:
    found = list(complaints(service))

    assert not found, "\n".join(found)


def test_suite(service: Service, environment: Environment, tmp_path: Path) -> None:
    """Runs as `poe coverage` does, on a server where one answers."""
    report = tmp_path / "report.xml"
    url = database_url(service.answers["database_driver"])

    outcome = service.attempt_module(
        environment,
        *("pytest", "--cov", "-p", "no:cacheprovider", f"--junitxml={report}"),
        **({} if url is None else {"TEST_DATABASE_URL": url}),
    )

    # What is skipped is not covered, so the outcome says nothing then.
    if reasons := reasons_to_skip(report):
        pytest.skip("; ".join(sorted(reasons)))
    outcome.expect_success()


def test_the_tasks_are_the_commands_checked_here(service: Service) -> None:
    """`poe lint` and `poe coverage` run what the tests above run."""
    tasks = service.pyproject["tool"]["poe"]["tasks"]

    assert tasks["coverage"]["cmd"] == "pytest --cov"
    commands = [step["cmd"] for step in tasks["lint"]["sequence"]]
    assert commands == [
        "ruff format --check .",
        "ruff check .",
        "ast-grep scan --error=unused-suppression --report-style=short",
        "ast-grep test --skip-snapshot-tests",
        "lint-imports --no-cache --no-logo",
        "mypy",
    ]
