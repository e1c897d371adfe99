"""What Copier prints after a copy and after an update."""

from pathlib import Path

import pytest
from copier import run_copy, run_update

from tests.helpers.git import commit_all
from tests.helpers.template import copy_questionnaire

NOTE = "Note:"


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A template in Git, released as v1.0.0."""
    folder = tmp_path / "template"
    folder.mkdir()
    return commit_all(copy_questionnaire(folder), tag="v1.0.0")


def message_after_copy(
    source: str, destination: Path, capsys: pytest.CaptureFixture[str], vcs_ref: str | None = None
) -> str:
    run_copy(source, destination, defaults=True, unsafe=True, vcs_ref=vcs_ref)
    return capsys.readouterr().err


def test_a_service_made_from_a_release_is_told_how_to_start(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = message_after_copy(str(released), tmp_path / "order desk", capsys)

    assert f"cd '{tmp_path / 'order desk'}'" in message
    assert "uv run poe dev" in message
    assert NOTE not in message


def test_a_template_without_git_is_named(
    questionnaire: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = message_after_copy(str(questionnaire), tmp_path / "desk", capsys)

    assert "was not a git repository" in message


def test_a_template_past_its_release_is_named(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit_all(released)

    message = message_after_copy(str(released), tmp_path / "desk", capsys, vcs_ref="HEAD")

    assert "this was made from v1.0.0-1-g" in message


@pytest.mark.filterwarnings("ignore:Dirty template changes")
def test_a_template_with_uncommitted_changes_is_named(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (released / "template" / "new.txt").write_text("new\n", "utf-8")

    message = message_after_copy(str(released), tmp_path / "desk", capsys, vcs_ref="HEAD")

    assert "this was made from v1.0.0-1-g" in message


def test_a_template_without_a_release_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "template"
    folder.mkdir()
    commit_all(copy_questionnaire(folder))

    message = message_after_copy(str(folder), tmp_path / "desk", capsys)

    assert "not from a release of the template" in message


def test_a_relative_path_is_named(
    released: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(released)

    message = message_after_copy(".", tmp_path / "desk", capsys)

    assert "named by a relative path (.)" in message


def test_an_update_says_how_to_review_it(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = tmp_path / "desk"
    run_copy(str(released), service, defaults=True, unsafe=True)
    commit_all(service)
    commit_all(released, tag="v1.1.0")

    run_update(service, defaults=True, overwrite=True, unsafe=True)

    message = capsys.readouterr().err
    assert "git diff --name-only --diff-filter=U" in message
    assert "git diff --name-only --diff-filter=D" in message
