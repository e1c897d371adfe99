"""Services with awkward names: still valid, formatted and clean."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Render
from tests.helpers import variants
from tests.helpers.service import run

LONGEST = "z" * 40
SHORTEST = "a"


def python_files(folder: Path) -> Iterator[Path]:
    yield from folder.rglob("*.py")


def check(folder: Path) -> dict[str, Any]:
    """Check that every file can be read and is clean; return the answers."""
    for file in python_files(folder):
        compile(file.read_text("utf-8"), file, "exec")
    pyproject = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    answers = yaml.safe_load((folder / ".copier-answers.yml").read_text("utf-8"))
    assert pyproject["project"]["description"] == answers["description"]
    ruff = (sys.executable, "-m", "ruff")
    run(*ruff, "format", "--check", "--diff", "--no-cache", ".", cwd=folder)
    run(*ruff, "check", "--no-cache", ".", cwd=folder)
    return dict(answers)


@pytest.mark.parametrize(
    ("project_name", "package_name", "distribution_name"),
    [
        ("a", "a", "a"),
        ("x" * 80, "x" * 40, "x" * 80),
        ("W" + " w" * 39, "_".join("w" * 20), "-".join("w" * 40)),
        ("-leading-dash", "leading_dash", "leading-dash"),
        ("123 go", "service_123_go", "123-go"),
        ("class", "class_service", "class-service"),
        ("json", "json_service", "json-service"),
        ("fastapi", "fastapi_service", "fastapi-service"),
        ("sqlalchemy", "sqlalchemy_service", "sqlalchemy-service"),
        ("tests", "tests_service", "tests-service"),
        ("日本" * 40, "service", "service"),
        ("Кот и пёс", "service", "service"),
        ("Überservice ☃", "uberservice", "uberservice"),
        ('O\'Brien "x"', "obrien_x", "obrien-x"),
        ('"""', "service", "service"),
        ("{{ x }} # {% raw %} # {# y #}", "x_raw_y", "x-raw-y"),
        ("${x} $x %(x)s <b>&amp;", "x_x_x_s_b_amp", "x-x-x-s-b-amp"),
        ("# {% endif %}", "endif", "endif"),
        ("*_`[x](y)`_*", "x_y", "x-y"),
    ],
)
def test_a_service_of_any_project_name_is_clean(
    render: Render, project_name: str, package_name: str, distribution_name: str
) -> None:
    folder = render({"project_name": project_name, "description": f"Is {project_name}."})

    answers = check(folder)

    assert answers["project_name"] == project_name
    assert answers["package_name"] == package_name
    assert (folder / "src" / package_name / "__init__.py").is_file()
    pyproject = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    assert pyproject["project"]["name"] == distribution_name


@pytest.mark.parametrize("description", ["", '"', "'", "\\", "{{ x }}", "日" * 200, "x" * 200])
def test_a_service_of_any_description_is_clean(render: Render, description: str) -> None:
    answers = check(render({"project_name": "Order Desk", "description": description}))

    assert answers["description"] == description


@pytest.mark.parametrize("package_name", [SHORTEST, LONGEST])
@pytest.mark.parametrize("combination", variants.pairwise(), ids=str)
def test_lines_and_imports_are_in_form_for_short_and_long_packages(
    render: Render, package_name: str, combination: variants.Variant
) -> None:
    check(render({"package_name": package_name, **combination.answers}))
