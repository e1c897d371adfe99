"""The commands that every service has to update itself."""

import os
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.helpers.git import commit_all, git
from tests.helpers.releases import DROPPED, NEWEST, PREVIOUS, history
from tests.helpers.service import Service, run
from tests.helpers.updates import answers_of, copy_service

pytestmark = pytest.mark.slow

UV = (sys.executable, "-m", "uv")
ANSWERS_FILE = ".copier-answers.api.yml"


@pytest.fixture(scope="module")
def outdated(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service of the version before the newest one."""
    folder = tmp_path_factory.mktemp("updater")
    answers = {"database_driver": "aiosqlite", "http_client": "none", "orjson": False}
    service = copy_service(
        history(folder / "template"),
        folder / "desk",
        vcs_ref=f"v{PREVIOUS}",
        answers_file=ANSWERS_FILE,
        **answers,
    )
    return Service.rendered(service, answers_of(service, ANSWERS_FILE))


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, str]:
    """What a hook of Git sets for its programs, and a hook for all repositories, which fails."""
    hook = tmp_path / "hooks" / "post-checkout"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\nhooksPath = {hook.parent}\n")
    return {
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_DIR": str(tmp_path / "other.git"),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
    }


def run_task(service: Service, name: str, *options: str, **variables: str) -> str:
    """Run a task, with uv where the service looks for it."""
    _python, *command = shlex.split(service.pyproject["tool"]["poe"]["tasks"][name]["cmd"])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    called = (sys.executable, *command, *options)
    return run(*called, cwd=service.folder, PATH=path, PYTHONDONTWRITEBYTECODE="1", **variables)


def test_its_group_allows_what_the_template_is_tested_with(outdated: Service) -> None:
    group = map(Requirement, outdated.pyproject["dependency-groups"]["template"])

    tested = {requirement.name: version(requirement.name) for requirement in group}

    assert tested.keys() == {"copier", "copier-template-extensions"}
    for entry in map(Requirement, outdated.pyproject["dependency-groups"]["template"]):
        assert tested[entry.name] in entry.specifier
        assert {part.operator for part in entry.specifier} == {">=", "<"}


def test_a_service_updates_itself(outdated: Service, hostile: dict[str, str]) -> None:
    """The lock file is uv's alone: nothing but uv changes it, and it is never in conflict.

    The file of its answers has a name of its own.
    """
    run(*UV, "lock", "--quiet", cwd=outdated.folder)
    commit_all(outdated.folder)

    assert f"latest version is {NEWEST}" in run_task(outdated, "check-update", **hostile)
    run_task(outdated, "update", "--data", "workers=4", **hostile)

    assert {path.name for path in Path(hostile["GIT_DIR"]).parent.iterdir()} == {
        *("hooks", "gitconfig")
    }
    assert not (outdated.folder / ".copier-answers.yml").exists()

    assert not (outdated.folder / DROPPED).exists()
    assert answers_of(outdated.folder, ANSWERS_FILE)["workers"] == 4
    assert "uv.lock" not in git(outdated.folder, "status", "--short")
    installed = {path.name for path in outdated.folder.glob(".venv/lib/*/site-packages/*")}
    assert "copier" in installed
    assert not installed & {"fastapi", "sqlalchemy"}
    commit_all(outdated.folder)
    assert "Project is up-to-date!" in run_task(outdated, "check-update")


def test_nothing_that_is_rendered_is_ignored(outdated: Service) -> None:
    """An update cannot merge what Git does not know."""
    ignored = git(outdated.folder, "status", "--ignored", "--short").splitlines()

    assert not [line for line in ignored if "venv" not in line]
