"""A rendered service, and an environment to run it in."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import filelock
import pytest

TIMEOUT = 600
"""Seconds that any one command may take."""

# What of this process must not reach a service: it would be configured or measured by it.
FOREIGN = (
    "PYTEST_",
    "COV_",
    "COVERAGE_",
    "PYTHON",
    "VIRTUAL_ENV",
    "UV_PROJECT",
    "DATABASE_",
    "TEST_DATABASE_",
)


def cache_folder() -> Path:
    """Return where environments are kept between runs."""
    if folder := os.environ.get("TEMPLATE_TEST_CACHE"):
        return Path(folder)
    parent = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(parent, "copier-fastapi-sqlalchemy")


@dataclass(frozen=True)
class Outcome:
    """What came of a command."""

    command: str
    status: int
    output: str
    """What it wrote, errors included."""

    def expect_success(self) -> str:
        """Return the output, or fail with it."""
        if self.status != 0:
            message = f"{self.command}\nexited with {self.status}\n{self.output}"
            pytest.fail(message, pytrace=False)
        return self.output


def attempt(*command: str | Path, cwd: Path, **variables: str) -> Outcome:
    """Run a command that may fail, with more environment variables."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    result = subprocess.run(
        command,
        cwd=cwd,
        env={**inherited, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Outcome(" ".join(map(str, command)), result.returncode, result.stdout)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a command that must not fail; return its output."""
    return attempt(*command, cwd=cwd, **variables).expect_success()


def database_url(database_driver: str) -> str | None:
    """Return the server to test a service against; None leaves the choice to its suite."""
    match database_driver:
        case "asyncpg" | "psycopg":
            given, usual = "POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"
        case "asyncmy":
            given, usual = "MARIADB_URL", "mysql://root@127.0.0.1:3306/"
        case _:
            return None
    return os.environ.get(given) or (usual if _answers(usual) else None)


def _answers(url: str) -> bool:
    server = urlsplit(url)
    assert server.port is not None
    try:
        with socket.create_connection((str(server.hostname), server.port), timeout=1):
            return True
    except OSError:
        return False


def reasons_to_skip(report: Path) -> set[str]:
    """Return what kept a suite from having a database, by its JUnit report, if none failed."""
    if os.environ.get("REQUIRE_DATABASE") == "1" or not report.exists():
        return set()
    suite = ET.parse(report).getroot()  # noqa: S314
    if suite.find(".//failure") is not None or suite.find(".//error") is not None:
        return set()
    reasons = {skipped.get("message", "") for skipped in suite.iter("skipped")}
    return {reason for reason in reasons if "TEST_DATABASE_URL" in reason}


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the dependencies of a service, without the service itself."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin") / "python"

    @cached_property
    def distributions(self) -> dict[str, list[str]]:
        """The names of the distributions that each importable module comes from."""
        code = (
            "import json; from importlib.metadata import packages_distributions as modules; "
            "print(json.dumps(modules()))"
        )
        found: dict[str, list[str]] = json.loads(run(self.python, "-c", code, cwd=self.folder))
        return found


@dataclass(frozen=True)
class Service:
    """A rendered service."""

    folder: Path
    answers: dict[str, Any]
    files: frozenset[str]
    """The files that were rendered, as paths relative to the folder."""

    @classmethod
    def rendered(cls, folder: Path, answers: dict[str, Any]) -> "Service":
        """Describe a service that nothing has run in yet."""
        paths = (path for path in folder.rglob("*") if path.is_file())
        files = frozenset(path.relative_to(folder).as_posix() for path in paths)
        return cls(folder, answers, files)

    def text(self, file: str) -> str:
        """Return a rendered file's text."""
        return (self.folder / file).read_text("utf-8")

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """What `pyproject.toml` says."""
        return tomllib.loads(self.text("pyproject.toml"))

    @property
    def package(self) -> str:
        """The package's name."""
        return str(self.answers["package_name"])

    def environment(self, python: str | None = None) -> Environment:
        """Return the environment of its dependencies, made when nobody made it before.

        `python` is a version or a path; by default it is the Python that runs this.
        """
        wanted = {
            "python": python or sys.version,
            "requires-python": self.pyproject["project"]["requires-python"],
            "dependencies": self.pyproject["project"]["dependencies"],
            "dev": self.pyproject["dependency-groups"]["toolchain"],
        }
        digest = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]
        folder = cache_folder() / digest
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.with_suffix(".lock")):
            if not (folder / "complete").exists():
                shutil.rmtree(folder, ignore_errors=True)
                self._install(folder, python or sys.executable)
                (folder / "complete").touch()
        return Environment(folder)

    def _install(self, folder: Path, python: str) -> None:
        uv = (sys.executable, "-m", "uv")
        pyproject = self.folder / "pyproject.toml"
        environment = Environment(folder)
        run(*uv, "venv", "--quiet", "--no-project", "--python", python, folder, cwd=self.folder)
        run(
            # Or each process compiles all again where PYTHONDONTWRITEBYTECODE is set.
            *(*uv, "pip", "install", "--quiet", "--compile-bytecode"),
            *("--python", environment.python),
            *("--requirements", pyproject, "--group", f"{pyproject}:dev"),
            cwd=self.folder,
        )

    def attempt_module(
        self, environment: Environment, *arguments: str, **variables: str
    ) -> Outcome:
        """Run `python -m ...` in the service's folder, with its package importable."""
        return attempt(
            environment.python,
            "-m",
            *arguments,
            cwd=self.folder,
            PATH=f"{environment.python.parent}{os.pathsep}{os.environ['PATH']}",
            PYTHONPATH=str(self.folder / "src"),
            **variables,
        )

    def run_module(self, environment: Environment, *arguments: str, **variables: str) -> str:
        """Do the same with what must not fail, and return its output."""
        return self.attempt_module(environment, *arguments, **variables).expect_success()
