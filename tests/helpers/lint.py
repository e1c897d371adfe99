"""What the linters of a service say of its files."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.service import FOREIGN, Environment, Service


@dataclass(frozen=True)
class Finding:
    """One complaint of a linter."""

    file: str
    rule: str
    message: str


def findings(service: Service, environment: Environment) -> list[Finding]:
    """Run what `poe lint` runs, mypy and the formatter left out, and return all complaints."""
    return [
        *_ruff(service, environment),
        *_ast_grep(service, environment),
        *_import_linter(service, environment),
    ]


def _output(service: Service, environment: Environment, *command: str) -> str:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    result = subprocess.run(
        [environment.python.parent / command[0], *command[1:]],
        cwd=service.folder,
        env={**inherited, "PYTHONPATH": "src", "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode in {0, 1}, result.stderr
    return result.stdout


def _ruff(service: Service, environment: Environment) -> list[Finding]:
    output = _output(
        service, environment, "ruff", "check", "--no-cache", "--output-format=json", "."
    )
    found: list[dict[str, Any]] = json.loads(output)
    return [
        Finding(
            Path(item["filename"]).resolve().relative_to(service.folder.resolve()).as_posix(),
            item["code"],
            item["message"],
        )
        for item in found
    ]


def _ast_grep(service: Service, environment: Environment) -> list[Finding]:
    arguments = ("scan", "--error=unused-suppression", "--json=compact")
    found: list[dict[str, Any]] = json.loads(_output(service, environment, "ast-grep", *arguments))
    return [Finding(item["file"], item["ruleId"], item["message"]) for item in found]


def _import_linter(service: Service, environment: Environment) -> list[Finding]:
    ids = {
        contract["name"]: contract["id"]
        for contract in service.pyproject["tool"]["importlinter"]["contracts"]
    }
    root = service.pyproject["tool"]["importlinter"]["root_package"]
    found = []
    name = ""
    output = _output(service, environment, "lint-imports", "--no-cache", "--no-logo")
    for line in output.partition("Broken contracts")[2].splitlines():
        name = line if line in ids else name
        if chain := re.match(r"-\s+(\S+) -> \S+ \(l\.\d+\)", line):
            file = f"src/{chain[1].replace('.', '/')}.py"
            found.append(Finding(file, ids[name], name))
        elif circle := re.match(r"-\s+\.(\w+) -> \.(\w+) \(\d+ imports?\)", line):
            found += [
                Finding(f"src/{root}/{package}/__init__.py", ids[name], name)
                for package in circle.groups()
            ]
    return found
