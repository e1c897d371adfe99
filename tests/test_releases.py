"""The changelog, the list of releases and the tags agree."""

import re
import subprocess

import pytest
from packaging.version import Version

from tests.helpers.git import git
from tests.helpers.releases import RELEASES, require_history
from tests.helpers.template import ROOT

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def headings(changelog: str) -> list[str]:
    """Return what the sections of a changelog are headed, without dates."""
    return [heading.partition(" (")[0] for heading in HEADING.findall(changelog)]


def unlisted(changelog: str, releases: dict[str, str]) -> set[str]:
    """Return the versions that only one of a changelog and a list of releases has.

    A commit cannot hold its own name, so a version that is just being released is not listed yet.
    It is the first section; as soon as there is another above it, for what comes next, it is due.
    """
    versions = headings(changelog)
    pending = set(versions[:1]) - releases.keys()
    return (set(versions) ^ releases.keys()) - {"Unreleased"} - pending


@pytest.mark.parametrize(
    ("sections", "listed", "wrong"),
    [
        (["Unreleased"], [], set()),
        (["1.0.0"], [], set()),
        (["Unreleased", "1.0.0"], [], {"1.0.0"}),
        (["Unreleased", "1.0.0"], ["1.0.0"], set()),
        (["1.1.0", "1.0.0"], ["1.0.0"], set()),
        (["1.2.0", "1.1.0", "1.0.0"], ["1.0.0"], {"1.1.0"}),
        (["Unreleased", "1.0.0"], ["1.0.0", "1.1.0"], {"1.1.0"}),
    ],
)
def test_a_release_has_to_be_listed_when_the_next_one_begins(
    sections: list[str], listed: list[str], wrong: set[str]
) -> None:
    changelog = "".join(f"## {section} (2026-11-30)\n\n### Added\n\n" for section in sections)

    assert unlisted(changelog, dict.fromkeys(listed, "commit")) == wrong


def test_the_changelog_and_the_list_name_the_same_releases() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")

    assert not unlisted(changelog, RELEASES)
    versions = [heading for heading in headings(changelog) if heading != "Unreleased"]
    assert versions == sorted(versions, key=Version, reverse=True)
    assert list(RELEASES) == sorted(RELEASES, key=Version)


@pytest.mark.parametrize("version", RELEASES)
def test_a_release_is_a_commit_of_this_history(version: str) -> None:
    require_history()
    commit = RELEASES[version]

    assert re.fullmatch("[0-9a-f]{40}", commit)
    try:
        git(ROOT, "merge-base", "--is-ancestor", commit, "HEAD")
    except subprocess.CalledProcessError:
        pytest.fail(f"{commit} is not in the history of HEAD; try git fetch --unshallow")
    assert headings(git(ROOT, "show", f"{commit}:CHANGELOG.md"))[0] == version
    tagged = git(ROOT, "tag", "--list", f"v{version}", "--format=%(objectname) %(*objectname)")
    assert commit in tagged or not tagged
