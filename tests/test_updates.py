"""`copier update` of whole services that their owners have worked on.

The measure is always the same: what the update makes of the owner's service is what the owner's
work would have made of a service rendered anew.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.git import commit_all, git
from tests.helpers.leftovers import leftovers
from tests.helpers.owner import (
    DELETED,
    EXAMPLE,
    remove_example,
    remove_example_of_1_0_0,
    settle,
    work_on,
)
from tests.helpers.releases import (
    ADDED,
    DROPPED,
    NEWEST,
    PREVIOUS,
    RELEASES,
    history,
    require_history,
)
from tests.helpers.service import Service
from tests.helpers.updates import answers_of, conflicts, copy_service, deletions, update

VARIANTS: dict[str, dict[str, Any]] = {
    "asyncpg-httpx2": {"database_driver": "asyncpg"},
    "psycopg-none": {"database_driver": "psycopg", "http_client": "none", "orjson": False},
    "aiosqlite-aiohttp": {"database_driver": "aiosqlite", "http_client": "aiohttp"},
    "asyncmy-nohealth": {"database_driver": "asyncmy", "health_checks": False},
}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with its history."""
    return history(tmp_path_factory.mktemp("history") / "template")


def make(template: Path, service: Path, version: str, **answers: Any) -> Path:
    """Make a service of some version that its owner has worked on, with all committed."""
    answers = {"project_name": "Order Desk", **answers}
    copy_service(template, service, vcs_ref=f"v{version}", **answers)
    (service / ".env").write_text("SECRET=1\n", "utf-8")
    return commit_all(work_on(service))


def tree(service: Path) -> dict[str, str]:
    """Return the text of each file that Git knows or would add."""
    files = git(service, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    present = {file for file in files if file and (service / file).exists()}
    return {file: (service / file).read_text("utf-8") for file in present}


def without(files: dict[str, str], left_out: set[str]) -> dict[str, str]:
    return {file: text for file, text in files.items() if file not in left_out}


def gone(service: Path) -> set[str]:
    """Return the files that an update has taken away, renamed ones included."""
    command = ("diff", "--name-only", "--no-renames", "--diff-filter=D", "HEAD")
    return set(git(service, *command).split())


def describe(service: Path) -> Service:
    return Service(service, answers_of(service), frozenset(tree(service)))


def run_suite(service: Path) -> None:
    """Run the service's tests, but for those that measure time: these files are as rendered."""
    described = describe(service)
    described.run_module(
        described.environment(),
        *("pytest", "-x", "-p", "no:cacheprovider"),
        *("--ignore=tests/faults", "--ignore=tests/process"),
    )


REWRITTEN = {"src/order_desk/main.py"}
"""What an owner has to settle of an update from 1.x."""


@pytest.mark.parametrize("chosen", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("version", [*RELEASES, PREVIOUS])
def test_an_update_brings_what_is_new_and_keeps_what_is_the_owners(
    releases: Path, tmp_path: Path, version: str, chosen: dict[str, Any]
) -> None:
    if version in RELEASES:
        require_history()
    service = make(releases, tmp_path / "old", version, **chosen)
    answers, before = answers_of(service), tree(service)
    # What is new is answered for an older service so that it stays as it is.
    unasked = {"fast_paths": True, "auth": "none", "telemetry": "none", "deploy": "none"}
    anew = make(releases, tmp_path / "new", NEWEST, **unasked | answers)

    update(service)

    flagged = conflicts(service)
    assert flagged <= (set() if version == PREVIOUS else REWRITTEN)
    if version == PREVIOUS:
        assert gone(service) == deletions(service) == {DROPPED.as_posix()}
    settle(service, *flagged)
    after = tree(service)
    assert after == tree(anew)
    assert answers_of(service).items() >= answers.items()
    assert before.keys() - after.keys() == gone(service)
    assert (service / ".env").read_text() == "SECRET=1\n"
    assert not after.keys() & set(DELETED)
    assert (ADDED.as_posix() in before) == (version != PREVIOUS)
    assert ADDED.as_posix() in after
    if chosen["database_driver"] == "aiosqlite":
        run_suite(service)


@pytest.mark.parametrize("version", [*RELEASES, PREVIOUS])
def test_a_deleted_example_stays_deleted(releases: Path, tmp_path: Path, version: str) -> None:
    """New files of it do not come either, and what is left has a suite that is green."""
    if version in RELEASES:
        require_history()
    service = tmp_path / "desk"
    answers = {"project_name": "Order Desk", "database_driver": "aiosqlite"}
    copy_service(releases, service, vcs_ref=f"v{version}", **answers)
    remove = remove_example_of_1_0_0 if version == "1.0.0" else remove_example
    commit_all(remove(service))

    update(service)

    flagged = conflicts(service)
    assert flagged <= (set() if version == PREVIOUS else REWRITTEN)
    for file in flagged:
        git(service, "checkout", "--theirs", "--", file)
        git(service, "add", "--", file)
    assert answers_of(service)["example"] is False
    assert not [path for path in EXAMPLE if (service / path).exists()]
    assert not leftovers(describe(service))
    assert not (service / "src/order_desk/main.py").read_text().startswith('"""Once: ')
    run_suite(service)


USERS = "src/order_desk/users/schemas.py"
MIGRATION = "src/order_desk/migrations/versions/0001_users_and_orders.py"


@pytest.mark.parametrize(("old", "flagged"), [(True, {USERS, MIGRATION}), (False, set())])
def test_the_example_can_be_declined_and_asked_for_later(
    releases: Path, tmp_path: Path, *, old: bool, flagged: set[str]
) -> None:
    service, anew = tmp_path / "old", tmp_path / "new"
    for folder, example in ((service, old), (anew, not old)):
        answers: dict[str, Any] = {"project_name": "Order Desk", "example": example}
        copy_service(releases, folder, vcs_ref=f"v{NEWEST}", **answers)
        for file in ("src/order_desk/web/problems.py", ".gitignore", *({USERS} if example else ())):
            with (folder / file).open("a") as edited:
                edited.write("\n# mine\n")
        commit_all(folder)

    update(service, example=not old)

    assert conflicts(service) == flagged
    assert without(tree(service), flagged) == without(tree(anew), {USERS} - flagged) | (
        {} if old else {USERS: tree(service)[USERS]}
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"database_driver": "asyncpg"}, {"database_driver": "psycopg"}),
        ({"http_client": "httpx2"}, {"http_client": "aiohttp"}),
        ({"http_client": "httpx2"}, {"http_client": "none"}),
        ({"health_checks": True}, {"health_checks": False}),
        ({"health_checks": False}, {"health_checks": True}),
        ({"orjson": True}, {"orjson": False}),
        ({"orjson": False}, {"orjson": True}),
        ({"fast_paths": False}, {"fast_paths": True}),
        ({"fast_paths": True}, {"fast_paths": False}),
        ({"fast_paths": True}, {"auth": "oidc"}),
        ({"auth": "oidc"}, {"auth": "none"}),
        ({"workers": 2}, {"concurrent_requests": 40, "workers": 4, "max_connections": 500}),
    ],
    ids=lambda answers: ",".join(f"{name}={answer}" for name, answer in answers.items()),
)
def test_a_new_answer_leaves_nothing_of_the_old_one(
    releases: Path, tmp_path: Path, old: dict[str, Any], new: dict[str, Any]
) -> None:
    service = make(releases, tmp_path / "old", NEWEST, **old)
    anew = make(releases, tmp_path / "new", NEWEST, **old | new)

    update(service, **new)

    assert not conflicts(service)
    assert tree(service) == tree(anew)
    assert tree(service)["src/order_desk/settings.py"].count("notes_limit") == 1
    assert not leftovers(describe(service))
