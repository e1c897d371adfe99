"""No edit is lost by what a new version renames, removes or leaves out.

A small template with the real copier.yml and extensions stands for the whole.
"""

import json
from pathlib import Path

import pytest
import yaml

from tests.helpers.git import commit_all, git
from tests.helpers.template import copy_questionnaire
from tests.helpers.updates import (
    answers_of,
    conflicts,
    copy_service,
    deletions,
    substitute,
    update,
)

PAGES = "src/order_desk/pages.py"
PAGING = "src/order_desk/paging.py"
HEALTH = "src/order_desk/health/endpoints.py"
MIGRATION = "src/order_desk/migrations/versions/0001_users_and_orders.py"
USERS = "src/order_desk/users"
LINES = "".join(f"{number} = {number}\n" for number in range(40))


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A template of a few files, released as v1.0.0."""
    folder = tmp_path / "template"
    folder.mkdir()
    package = copy_questionnaire(folder) / "template" / "src" / "{{ package_name }}"
    for file in (
        *("pages.py", "health/endpoints.py", "users/models.py", "users/service.py"),
        "migrations/versions/0001_users_and_orders.py",
    ):
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(LINES, "utf-8")
    return commit_all(folder, tag="v1.0.0")


@pytest.fixture
def service(template: Path, tmp_path: Path) -> Path:
    """A service of version 1.0.0."""
    return copy_service(template, tmp_path / "order-desk")


def edit(file: Path, line: int = 0) -> None:
    substitute(file, rf"^{line} = {line}$", f"{line} = 'mine'")


def release(template: Path, *migrations: tuple[str, ...]) -> None:
    """Release v1.1.0, with some runs of migrate.py as CONTRIBUTING tells to write them."""
    lines = "".join(
        "  - version: v1.1.0\n"
        "    when: true\n"
        '    command: ["{{ _copier_python }}", '
        "\"{{ _copier_conf.src_path / 'extensions/migrate.py' }}\", "
        f"{json.dumps(list(command))[1:-1]}]\n"
        for command in migrations
    )
    substitute(template / "copier.yml", r"^_migrations:\n", f"_migrations:\n{lines}")
    commit_all(template, tag="v1.1.0")


def rename(template: Path, old: str, new: str) -> Path:
    """Rename something in the package of the template; return it."""
    package = template / "template" / "src" / "{{ package_name }}"
    return (package / old).rename(package / new)


RENAME = ("rename", "src/{package_name}/pages.py", "src/{package_name}/paging.py")
RENAME_FOLDER = ("rename", "src/{package_name}/users", "src/{package_name}/accounts")


def test_edits_follow_a_renamed_file(template: Path, service: Path) -> None:
    edit(service / PAGES)
    commit_all(service)
    edit(rename(template, "pages.py", "paging.py"), 39)
    release(template, RENAME)

    update(service)

    assert not (service / PAGES).exists()
    assert (service / PAGING).read_text() == LINES.replace("0 = 0\n", "0 = 'mine'\n", 1).replace(
        "39 = 39", "39 = 'mine'"
    )
    assert not conflicts(service)
    assert not deletions(service)


def test_edits_that_clash_in_a_renamed_file_are_a_conflict(template: Path, service: Path) -> None:
    edit(service / PAGES)
    commit_all(service)
    substitute(rename(template, "pages.py", "paging.py"), "^0 = 0$", "0 = 'theirs'")
    release(template, RENAME)

    update(service)

    assert conflicts(service) == {PAGING}
    assert "0 = 'mine'\n||||||| last update" not in (service / PAGING).read_text()
    assert (
        "<<<<<<< before updating\n0 = 'mine'\n=======\n0 = 'theirs'\n>>>>>>> after"
        in (service / PAGING).read_text()
    )
    assert git(service, "show", f":1:{PAGING}") == LINES


def test_a_renamed_file_without_edits_is_taken_over(template: Path, service: Path) -> None:
    edit(rename(template, "pages.py", "paging.py"))
    release(template, RENAME)

    update(service)

    assert (service / PAGING).read_text().startswith("0 = 'mine'\n1 = 1\n")
    assert not (service / PAGES).exists()
    assert not conflicts(service)


def test_a_renamed_file_that_the_owner_deleted_stays_deleted(template: Path, service: Path) -> None:
    (service / PAGES).unlink()
    commit_all(service)
    rename(template, "pages.py", "paging.py")
    release(template, RENAME)

    update(service)

    assert not (service / PAGING).exists()


def test_a_folder_is_renamed_with_all_that_the_owner_did_in_it(
    template: Path, service: Path
) -> None:
    users, accounts = (service / "src" / "order_desk" / name for name in ("users", "accounts"))
    edit(users / "models.py")
    (users / "service.py").unlink()
    (users / "mine.py").write_text("mine = 1\n", "utf-8")
    commit_all(service)
    rename(template, "users", "accounts")
    (template / "template/src/{{ package_name }}/accounts/new.py").write_text(LINES, "utf-8")
    release(template, RENAME_FOLDER)

    update(service)

    assert not users.exists()
    assert {file.name for file in accounts.iterdir()} == {"models.py", "mine.py", "new.py"}
    assert (accounts / "models.py").read_text().startswith("0 = 'mine'\n")
    assert not conflicts(service)


def test_a_rename_without_a_migration_loses_nothing(template: Path, service: Path) -> None:
    edit(service / PAGES)
    commit_all(service)
    rename(template, "pages.py", "paging.py")
    release(template)

    update(service)

    assert conflicts(service) == {PAGES}
    assert (service / PAGES).read_text().startswith("0 = 'mine'\n")
    assert (service / PAGING).read_text() == LINES


def test_a_removed_file_with_edits_is_kept_as_a_conflict(
    template: Path, service: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    edit(service / PAGES)
    commit_all(service)
    (template / "template/src/{{ package_name }}/pages.py").unlink()
    release(template)

    update(service)

    assert conflicts(service) == {PAGES}
    assert (service / PAGES).read_text().startswith("0 = 'mine'\n")
    assert git(service, "status", "--short", PAGES) == f"UD {PAGES}\n"
    assert f"kept {PAGES}" in capfd.readouterr().err


def test_a_removed_file_without_edits_goes(template: Path, service: Path) -> None:
    (template / "template/src/{{ package_name }}/pages.py").unlink()
    release(template)

    update(service)

    assert deletions(service) == {PAGES}
    assert not conflicts(service)


def test_a_file_that_new_answers_leave_out_is_kept_as_a_conflict(
    template: Path, service: Path
) -> None:
    edit(service / HEALTH)
    commit_all(service)
    release(template)

    update(service, health_checks=False)

    assert conflicts(service) == {HEALTH}
    assert (service / HEALTH).read_text().startswith("0 = 'mine'\n")


def test_a_migration_is_kept_as_a_conflict(
    template: Path, service: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    release(template)

    update(service, example=False)

    assert conflicts(service) == {MIGRATION}
    assert git(service, "status", "--short", MIGRATION) == f"UD {MIGRATION}\n"
    assert f"kept {MIGRATION}, which a database may have" in capfd.readouterr().err
    assert not (service / USERS).exists()


@pytest.mark.parametrize(("deleted", "left"), [(USERS, False), (f"{USERS}/models.py", True)])
def test_an_option_is_declined_by_deleting_all_of_it(
    template: Path, service: Path, deleted: str, *, left: bool
) -> None:
    git(service, "rm", "-r", deleted, MIGRATION)
    commit_all(service)
    (template / "template/src/{{ package_name }}/users/new.py").write_text(LINES, "utf-8")
    release(template)

    update(service)

    assert answers_of(service)["example"] is left
    assert (service / USERS / "new.py").exists() == left
    assert not (service / deleted).exists()
    assert not conflicts(service)


@pytest.mark.parametrize(("settle", "left"), [("add", True), ("rm", False)])
def test_a_kept_file_is_settled_with_git(
    template: Path, service: Path, settle: str, *, left: bool
) -> None:
    edit(service / HEALTH)
    commit_all(service)
    release(template)
    update(service, health_checks=False)

    git(service, settle, HEALTH)
    git(service, "add", "--all")
    git(service, "commit", "--message=.")

    assert (service / HEALTH).exists() == left
    commit_all(template, tag="v1.2.0")
    update(service)
    assert (service / HEALTH).exists() == left


def test_a_service_in_a_folder_of_its_repository_loses_nothing(
    template: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "all"
    service = repository / "services" / "order-desk"
    copy_service(template, service)
    (service / ".git").rename(tmp_path / "not-here")
    edit(service / HEALTH)
    commit_all(repository)
    rename(template, "pages.py", "paging.py")
    release(template, RENAME)

    update(service, health_checks=False)

    assert conflicts(service) == {f"services/order-desk/{HEALTH}"}
    assert (service / HEALTH).read_text().startswith("0 = 'mine'\n")
    assert (service / PAGING).read_text() == LINES


def test_a_file_that_both_have_added_is_a_conflict(template: Path, service: Path) -> None:
    (service / PAGING).write_text("mine = 1\n", "utf-8")
    commit_all(service)
    (template / "template/src/{{ package_name }}/paging.py").write_text(LINES, "utf-8")
    release(template)

    update(service)

    assert conflicts(service) == {PAGING}
    assert "mine = 1" in (service / PAGING).read_text()


def test_an_answer_follows_a_renamed_question(template: Path, service: Path) -> None:
    update(service, health_checks=False)
    commit_all(service)
    substitute(template / "copier.yml", "^health_checks:$", "probes:")
    text = (template / "copier.yml").read_text("utf-8")
    (template / "copier.yml").write_text(
        text.replace("if health_checks else", "if probes | default(true) else"), "utf-8"
    )
    release(template, ("rename-question", "health_checks", "probes"))

    update(service)

    answers = answers_of(service)
    assert answers["probes"] is False
    assert "health_checks" not in answers
    assert not (service / HEALTH).exists()


def test_an_answer_follows_a_renamed_choice(template: Path, service: Path) -> None:
    update(service, http_client="aiohttp")
    commit_all(service)
    substitute(template / "copier.yml", '": aiohttp$', '": aiohttp4')
    release(template, ("rename-choice", "http_client", "aiohttp", "aiohttp4"))

    update(service)

    assert answers_of(service)["http_client"] == "aiohttp4"


def test_other_answers_do_not_follow_a_renamed_choice(template: Path, service: Path) -> None:
    substitute(template / "copier.yml", '": aiohttp$', '": aiohttp4')
    release(template, ("rename-choice", "http_client", "aiohttp", "aiohttp4"))

    update(service)

    assert answers_of(service)["http_client"] == "httpx2"


def test_a_new_option_takes_its_default(template: Path, service: Path) -> None:
    """Copier renders `_exclude` of the new version with the answers of the old one, too."""
    substitute(
        template / "copier.yml",
        "^_exclude:\n",
        "_exclude:\n  - \"{{ '' if pages | default(true) else 'src/*/pages.py' }}\"\n",
    )
    with (template / "copier.yml").open("a") as questions:
        yaml.safe_dump({"pages": {"type": "bool", "help": "?", "default": True}}, questions)
    release(template)

    update(service)

    assert answers_of(service)["pages"] is True
    assert (service / PAGES).exists()


def test_the_extensions_of_the_new_version_make_the_new_result(
    template: Path, tmp_path: Path
) -> None:
    """The old and the new code of them run in one process."""
    facts = "{{ driver.requirement }}\n{{ max_overflow }}\n{{ project_name | py_string }}\n"
    (template / "template" / "facts.txt").write_text(f"{facts}mine:\n", "utf-8")
    commit_all(template, tag="v1.0.1")
    service = copy_service(template, tmp_path / "desk")
    before = (service / "facts.txt").read_text()
    (service / "facts.txt").write_text(f"{before}edited\n", "utf-8")
    commit_all(service)
    extensions = template / "extensions"
    substitute(extensions / "drivers.py", 'requirement="asyncpg.*"', 'requirement="asyncpg==9"')
    substitute(extensions / "pools.py", "^MAX_OVERFLOW = 0", "MAX_OVERFLOW = 7")
    substitute(
        extensions / "names.py",
        r"^FILTERS = \(",
        "def shout(text: str) -> str:\n    return text.upper()\n\n\nFILTERS = (\n    shout,",
    )
    substitute(template / "template" / "facts.txt", "py_string", "shout")
    release(template)

    update(service)

    assert before == 'asyncpg>=0.32,<0.33\n0\n"desk"\nmine:\n'
    assert (service / "facts.txt").read_text() == "asyncpg==9\n7\nDESK\nmine:\nedited\n"
    assert not conflicts(service)
