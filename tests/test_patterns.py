"""The rules of a service: what breaks a pattern is told, and nothing else is."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ServiceWith
from tests.helpers import variants
from tests.helpers.lint import Finding, findings
from tests.helpers.service import Environment, Service, database_url

PATTERNS = Path(__file__).parent / "patterns"
VIOLATIONS: list[dict[str, str]] = yaml.safe_load((PATTERNS / "violations.yml").read_text("utf-8"))
MUTATIONS: list[dict[str, Any]] = yaml.safe_load((PATTERNS / "mutations.yml").read_text("utf-8"))
PROMISES: list[dict[str, Any]] = yaml.safe_load((PATTERNS / "promises.yml").read_text("utf-8"))
LOOKALIKES: list[dict[str, str]] = yaml.safe_load((PATTERNS / "lookalikes.yml").read_text("utf-8"))
DOCUMENTATION: list[dict[str, str]] = yaml.safe_load(
    (PATTERNS / "documentation.yml").read_text("utf-8")
)


@pytest.fixture(scope="module")
def service(service_with: ServiceWith) -> Service:
    return service_with()


@pytest.fixture(scope="module")
def environment(service: Service, pytestconfig: pytest.Config) -> Environment:
    return service.environment(pytestconfig.getoption("service_python"))


def with_cases(service: Service, folder: Path, cases: list[dict[str, str]]) -> Service:
    """Return a copy of the service in which each case is a module."""
    shutil.copytree(service.folder, folder, ignore=shutil.ignore_patterns(".*_cache"))
    for number, case in enumerate(cases):
        file = folder / place(number, case)
        file.parent.mkdir(exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(case["code"], "utf-8")
    return replace(service, folder=folder)


def place(number: int, case: Mapping[str, str]) -> str:
    module = case.get("module") or f"case{number}/{case.get('file', 'things')}"
    return f"src/order_desk/{module}.py"


@pytest.mark.xdist_group("patterns")
def test_every_violation_is_told_by_its_rule(
    service: Service, environment: Environment, tmp_path: Path
) -> None:
    broken = with_cases(service, tmp_path / "service", VIOLATIONS)

    found = findings(broken, environment)

    told = {(finding.file, finding.rule) for finding in found}
    survivors = [
        (case["rule"], case["why"], [finding.rule for finding in found if finding.file == file])
        for number, case in enumerate(VIOLATIONS)
        if ((file := place(number, case)), case["rule"]) not in told
    ]
    print(f"killed {len(VIOLATIONS) - len(survivors)} of {len(VIOLATIONS)}")
    assert not survivors, "\n".join(map(str, survivors))


@pytest.mark.xdist_group("patterns")
def test_no_lookalike_is_complained_about(
    service: Service, environment: Environment, tmp_path: Path
) -> None:
    """Neither of what looks like a violation, nor of what the libraries' documentation shows."""
    assert len(LOOKALIKES) >= 20
    assert len(DOCUMENTATION) >= 100
    innocent = with_cases(service, tmp_path / "service", [*LOOKALIKES, *DOCUMENTATION])

    assert findings(innocent, environment) == []


@pytest.mark.xdist_group("patterns")
def test_every_rule_has_two_violations(service: Service) -> None:
    rules = {contract["id"] for contract in service.pyproject["tool"]["importlinter"]["contracts"]}
    for file in service.files:
        if file.startswith("rules/checks/"):
            rules |= {rule["id"] for rule in yaml.safe_load_all(service.text(file))}

    violations = Counter(case["rule"] for case in VIOLATIONS)

    assert {rule for rule in rules if violations[rule] < 2} == set()


@pytest.mark.xdist_group("patterns")
def test_what_is_banned_is_told_with_its_pattern(
    service: Service, environment: Environment, tmp_path: Path
) -> None:
    """Each banned name is imported, and the complaint says where to read on."""
    tidy = service.pyproject["tool"]["ruff"]["lint"]["flake8-tidy-imports"]
    names = list(tidy["banned-api"])
    cases = [{"code": f"import {name.rpartition('.')[0] or name}\nx = {name}\n"} for name in names]
    broken = with_cases(service, tmp_path / "service", cases)

    found = findings(broken, environment)

    for number, case in enumerate(cases):
        file = place(number, case)
        assert any(is_ban(finding) for finding in found if finding.file == file), names[number]


def is_ban(finding: Finding) -> bool:
    return finding.rule == "TID251" and "docs/patterns.md#" in finding.message


def mutations() -> Iterator[Any]:
    """Yield each mutation with each driver that it is tried with."""
    for case in (*MUTATIONS, *PROMISES):
        name = f"{case.get('pattern', case['fails'])}: {case['why']}"
        for driver in case.get("drivers", ["asyncpg"]):
            yield pytest.param(case, driver, id=f"{name} ({driver})")


def places_of(test: str, service: Service) -> list[str]:
    """Return where the service has the test, as pytest takes it."""
    return [
        f"{file}::{test}"
        for file in sorted(service.files)
        if file.startswith("tests/") and f"def {test}(" in service.text(file)
    ]


def edited(text: str, edits: Mapping[str, str]) -> str:
    """Return the text with each edit made; what an edit replaces stands in it once."""
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_each_mutation_finds_its_text(service_with: ServiceWith) -> None:
    for mutation, driver in (parameters.values for parameters in mutations()):
        service = service_with(database_driver=driver, **mutation.get("answers", {}))
        for name, edits in mutation["edits"].items():
            assert edited(service.text(f"src/order_desk/{name}"), edits)


@pytest.mark.slow
@pytest.mark.parametrize(("mutation", "driver"), [*mutations()])
def test_what_lint_cannot_see_fails_a_test(
    service_with: ServiceWith,
    pytestconfig: pytest.Config,
    tmp_path: Path,
    mutation: Mapping[str, Any],
    driver: str,
) -> None:
    service = service_with(database_driver=driver, **mutation.get("answers", {}))
    environment = service.environment(pytestconfig.getoption("service_python"))
    broken = with_cases(service, tmp_path / "service", [])
    for name, edits in mutation["edits"].items():
        file = broken.folder / "src" / "order_desk" / name
        file.write_text(edited(file.read_text("utf-8"), edits), "utf-8")
    named = mutation["fails"].startswith("test_")
    tests = mutation.get("tests") or places_of(mutation["fails"], service)
    url = database_url(driver)

    with pytest.raises(pytest.fail.Exception) as failure:
        broken.run_module(
            environment,
            *("pytest", "-q", "-x", "-rfE", "-p", "no:cacheprovider", *tests),
            *(("-k", mutation["fails"]) if named else ()),
            COLUMNS="1000",
            **({} if url is None else {"TEST_DATABASE_URL": url}),
        )

    summary = str(failure.value).partition("short test summary info")[2]
    assert mutation["fails"] in summary, str(failure.value)


def test_each_mutation_is_of_an_entry(service_with: ServiceWith) -> None:
    services = (service_with(fast_paths=True), service_with(auth="oidc"))
    headings = {
        line.removeprefix("### ").lower().replace(" ", "-")
        for service in services
        for line in service.text("docs/patterns.md").splitlines()
        if line.startswith("### ")
    }

    assert {mutation["pattern"] for mutation in MUTATIONS} <= headings


def test_each_promise_has_a_mutation(service_with: ServiceWith) -> None:
    promised: set[str] = set()
    for driver in variants.OPTIONS["database_driver"]:
        text = service_with(database_driver=driver, auth="oidc").text("docs/promises.md")
        promised.update(re.findall(r"`(test_\w+)`", text))

    assert promised == {case["fails"] for case in PROMISES}
