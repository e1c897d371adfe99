"""The commands that every service has to update itself."""

import shlex
import sys
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from tests.helpers.git import commit_all, git
from tests.helpers.releases import DROPPED, NEWEST, PREVIOUS, history
from tests.helpers.service import Service, run
from tests.helpers.updates import answers_of, copy_service

pytestmark = pytest.mark.slow

UV = (sys.executable, "-m", "uv")


@pytest.fixture(scope="module")
def outdated(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service of the version before the newest one."""
    folder = tmp_path_factory.mktemp("updater")
    answers = {"database_driver": "aiosqlite", "http_client": "none", "orjson": False}
    service = copy_service(
        history(folder / "template"), folder / "desk", vcs_ref=f"v{PREVIOUS}", **answers
    )
    return Service.rendered(service, answers_of(service))


def task(service: Service, name: str) -> list[str]:
    """Return the command of a task."""
    return shlex.split(service.pyproject["tool"]["poe"]["tasks"][name]["cmd"])


def test_its_group_allows_what_the_template_is_tested_with(outdated: Service) -> None:
    group = map(Requirement, outdated.pyproject["dependency-groups"]["template"])

    tested = {requirement.name: version(requirement.name) for requirement in group}

    assert tested.keys() == {"copier", "copier-template-extensions"}
    for entry in map(Requirement, outdated.pyproject["dependency-groups"]["template"]):
        assert tested[entry.name] in entry.specifier
        assert {part.operator for part in entry.specifier} == {">=", "<"}


def test_a_service_updates_itself(outdated: Service) -> None:
    """The lock file is uv's alone: nothing but uv changes it, and it is never in conflict."""
    run(*UV, "lock", "--quiet", cwd=outdated.folder)
    commit_all(outdated.folder)
    check, update = ([*UV, *task(outdated, name)[1:]] for name in ("check-update", "update"))

    assert f"latest version is {NEWEST}" in run(*check, cwd=outdated.folder)
    run(*update, "--data", "workers=4", cwd=outdated.folder)

    assert not (outdated.folder / DROPPED).exists()
    assert answers_of(outdated.folder)["workers"] == 4
    assert "uv.lock" not in git(outdated.folder, "status", "--short")
    installed = {path.name for path in outdated.folder.glob(".venv/lib/*/site-packages/*")}
    assert "copier" in installed
    assert not installed & {"fastapi", "sqlalchemy"}
    commit_all(outdated.folder)
    assert "Project is up-to-date!" in run(*check, cwd=outdated.folder)


def test_nothing_that_is_rendered_is_ignored(outdated: Service) -> None:
    """An update cannot merge what Git does not know."""
    ignored = git(outdated.folder, "status", "--ignored", "--short").splitlines()

    assert not [line for line in ignored if "venv" not in line]
