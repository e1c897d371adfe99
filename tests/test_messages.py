"""What Copier prints after a copy and after an update."""

import subprocess
from pathlib import Path

import pytest
from copier import run_copy, run_update

from extensions.sources import source_notes
from tests.helpers.git import commit_all, git
from tests.helpers.template import ROOT, copy_questionnaire
from tests.helpers.updates import substitute

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


def url(template: Path) -> str:
    return f"git+{template.as_uri()}"


def test_a_service_made_from_a_release_is_told_how_to_start(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = message_after_copy(url(released), tmp_path / "order desk", capsys)

    assert f"cd '{tmp_path / 'order desk'}'" in message
    assert "uv run poe dev" in message
    assert message.count(NOTE) == 1
    assert "on this machine alone" in " ".join(message.split())


def test_a_copy_that_is_only_pretended_is_not_said_to_be_ready(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_copy(url(released), tmp_path / "desk", defaults=True, unsafe=True, pretend=True)

    message = capsys.readouterr().err
    assert "Nothing was written" in message
    assert "uv run" not in message
    assert not (tmp_path / "desk").exists()


def test_a_template_without_git_is_named(
    questionnaire: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = message_after_copy(str(questionnaire), tmp_path / "desk", capsys)

    assert "was not a Git repository" in message
    assert message.count(NOTE) == 1


def test_a_template_past_its_release_is_named(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit_all(released)

    message = message_after_copy(url(released), tmp_path / "desk", capsys, vcs_ref="HEAD")

    assert "This was made from v1.0.0-1-g" in message
    assert "past the release v1.0.0" in message
    assert message.count(NOTE) == 2


@pytest.mark.filterwarnings("ignore:Dirty template changes")
@pytest.mark.parametrize("tag", ["v1.0.0", None])
def test_a_template_with_uncommitted_changes_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tag: str | None
) -> None:
    folder = tmp_path / "template"
    folder.mkdir()
    commit_all(copy_questionnaire(folder), tag=tag)
    (folder / "template" / "new.txt").write_text("new\n", "utf-8")

    message = message_after_copy(str(folder), tmp_path / "desk", capsys, vcs_ref="HEAD")

    assert "changes that are not committed" in message
    assert "can never work here" in " ".join(message.split())


def test_uncommitted_changes_are_left_out_of_a_release(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (released / "template" / "new.txt").write_text("new\n", "utf-8")

    message = message_after_copy(str(released), tmp_path / "desk", capsys)

    assert "not committed" not in message
    assert not (tmp_path / "desk" / "new.txt").exists()


def test_a_template_without_a_release_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "template"
    folder.mkdir()
    commit_all(copy_questionnaire(folder))

    message = message_after_copy(str(folder), tmp_path / "desk", capsys)

    assert "which is not a release of the template" in message
    assert "not committed" not in message


def test_a_relative_path_is_named(
    released: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(released)

    message = message_after_copy(".", tmp_path / "desk", capsys)

    assert "named by a relative path (.)" in message


def test_a_path_is_named_that_other_machines_do_not_have(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = message_after_copy(str(released), tmp_path / "desk", capsys)

    assert "on this machine alone" in " ".join(message.split())
    assert message.count(NOTE) == 1


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("https://example.com/template.git", False),
        ("git@example.com:team/template.git", False),
        ("gh:team/template", False),
        ("/srv/template", True),
        ("~/template", True),
        ("../template", True),
        ("git+file:///srv/template", True),
        ("file:///srv/template.git", True),
    ],
)
def test_only_a_path_is_named(source: str, *, named: bool) -> None:
    assert bool(source_notes({"_src_path": source, "_commit": "v1.0.0"})) == named


@pytest.mark.parametrize("written", ["path", "url"])
def test_a_source_can_be_corrected(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.chdir(tmp_path)
    service = tmp_path / "desk"
    run_copy(released.name, service, defaults=True, unsafe=True, quiet=True)
    source = str(released) if written == "path" else f"git+{released.as_uri()}"
    substitute(service / ".copier-answers.yml", "^_src_path: template$", f"_src_path: {source}")
    commit_all(service)
    (released / "template" / "new.txt").write_text("new\n", "utf-8")
    commit_all(released, tag="v1.1.0")

    monkeypatch.chdir(service)
    run_update(defaults=True, overwrite=True, unsafe=True, quiet=True)

    assert (service / "new.txt").exists()
    assert f"_src_path: {source}\n" in (service / ".copier-answers.yml").read_text()


def test_an_update_says_how_to_review_it(
    released: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    service = tmp_path / "desk"
    run_copy(str(released), service, defaults=True, unsafe=True)
    commit_all(service)
    commit_all(released, tag="v1.1.0")

    run_update(service, defaults=True, overwrite=True, unsafe=True)

    message = capfd.readouterr().err
    assert "git diff --name-only --diff-filter=U" in message
    assert "git diff --name-only --diff-filter=D" in message
    assert "git restore --source=HEAD --staged --worktree . && git clean -fd ." in message
    news = " ".join(message.split())
    assert f"from 1.0.0 to 1.1.0. CHANGELOG.md of the template ({released}) says" in news
    assert "fast_paths" not in message


def test_taking_an_update_back_touches_nothing_else(
    released: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "repository"
    service, sibling = repository / "desk", repository / "shop" / "work.txt"
    run_copy(str(released), service, defaults=True, unsafe=True)
    sibling.parent.mkdir()
    sibling.write_text("committed\n")
    commit_all(repository)
    (released / "template" / "new.txt").write_text("new\n")
    commit_all(released, tag="v1.1.0")
    run_update(service, defaults=True, overwrite=True, unsafe=True)
    assert (service / "new.txt").exists()
    sibling.write_text("not committed\n")
    (sibling.parent / "new.txt").write_text("new\n")

    lines = capfd.readouterr().err.splitlines()
    (undo,) = [line.strip() for line in lines if line.strip().startswith("git restore")]
    subprocess.run(undo, shell=True, cwd=service, check=True)  # noqa: S602 - as it is printed

    status = git(repository, "status", "--porcelain", "--untracked-files=all")
    assert set(status.splitlines()) == {" M shop/work.txt", "?? shop/new.txt"}


def test_messages_fit_a_terminal(
    released: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_copy(str(released), tmp_path / "desk", defaults=True, unsafe=True)
    commit_all(tmp_path / "desk")
    commit_all(released, tag="v1.1.0")
    run_update(tmp_path / "desk", defaults=True, overwrite=True, unsafe=True)

    lines = capfd.readouterr().err.splitlines()
    ours = [line for line in lines if str(tmp_path) not in line and " > Running" not in line]
    assert [line for line in ours if len(line) > 80] == []


def test_an_update_from_1_x_says_what_is_new_and_how_to_have_it_plain(
    released: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    service = tmp_path / "desk"
    run_copy(str(released), service, defaults=True, unsafe=True)
    answers = (service / ".copier-answers.yml").read_text("utf-8")
    assert "fast_paths: false\n" in answers
    (service / ".copier-answers.yml").write_text(answers.replace("fast_paths: false\n", ""))
    commit_all(service)
    commit_all(released, tag="v2.0.0")

    run_update(service, defaults=True, overwrite=True, unsafe=True)

    message = " ".join(capfd.readouterr().err.split())
    assert 'the section "Upgrading from 1.x" of CHANGELOG.md' in message
    assert "`uv run poe update --data fast_paths=false`" in message
    assert "fast_paths: true\n" in (service / ".copier-answers.yml").read_text("utf-8")


def test_the_changelog_has_what_the_update_from_1_x_names() -> None:
    assert "\n### Upgrading from 1.x\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")
