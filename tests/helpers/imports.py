"""What a service imports, and what it declares."""

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.requirements import Requirement

from tests.helpers.service import Service


def normal(distribution: str) -> str:
    """Return the normal form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def declared(requirements: Iterable[str]) -> set[str]:
    """Return the names of the distributions that some requirements name."""
    return {normal(Requirement(requirement).name) for requirement in requirements}


def declared_for_tests(pyproject: Mapping[str, Any]) -> set[str]:
    """Return what tests and scripts may use: the service's dependencies and those to develop it."""
    tools = pyproject["dependency-groups"]["toolchain"]
    return declared([*pyproject["project"]["dependencies"], *tools])


def imported_modules(source: str) -> set[str]:
    """Return the top-level modules that Python source imports absolutely, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules.add(node.module)
    return {module.partition(".")[0] for module in modules}


def imported(
    service: Service, distributions: Mapping[str, list[str]], *, below: tuple[str, ...]
) -> dict[str, set[str]]:
    """Return the modules that files below some folders import, each with its distributions.

    Modules of Python and of the service itself are left out.
    """
    modules: set[str] = set()
    for file in service.files:
        if file.endswith(".py") and file.startswith(below):
            modules |= imported_modules(service.text(file))
    modules -= {*sys.stdlib_module_names, service.package, "tests", "scripts"}
    return {module: set(map(normal, distributions.get(module, []))) for module in modules}


def undeclared(used: Mapping[str, set[str]], allowed: set[str]) -> set[str]:
    """Return the imported modules that come from no allowed distribution."""
    return {module for module, distributions in used.items() if not distributions & allowed}
