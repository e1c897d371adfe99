"""No edit is lost by what a new version renames, removes or leaves out.

A small template with the real copier.yml and extensions stands for the whole.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers.git import commit_all, git
from tests.helpers.template import ROOT, copy_questionnaire
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
        '"--answers-file={{ _copier_conf.answers_file }}", '
        f"{json.dumps(list(command))[1:-1]}]\n"
        for command in migrations
    )
    substitute(template / "copier.yml", r"^_migrations:\n", f"_migrations:\n{lines}")
    commit_all(template, tag="v1.1.0")


def rename(template: Path, old: str, new: str) -> Path:
    """Rename something in the package of the template; return it."""
    package = template / "template" / "src" / "{{ package_name }}"
    return (package / old).rename(package / new)


WEB_PAGES = "src/order_desk/web/pages.py"
MINE = "src/order_desk/notes/mine.py"

RENAME = ("rename", "src/{package_name}/pages.py", "src/{package_name}/paging.py")
RENAME_FOLDER = ("rename", "src/{package_name}/users", "src/{package_name}/accounts")
RENAME_BOTH = (*RENAME, *RENAME_FOLDER[1:])
MOVE = ("rename", "src/{package_name}/pages.py", "src/{package_name}/web/pages.py")


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


def test_one_migration_renames_several(template: Path, service: Path) -> None:
    edit(service / PAGES)
    edit(service / USERS / "models.py", 3)
    (service / USERS / "service.py").unlink()
    commit_all(service)
    rename(template, "pages.py", "paging.py")
    rename(template, "users", "accounts")
    release(template, RENAME_BOTH)

    update(service)

    accounts = service / "src/order_desk/accounts"
    assert (service / PAGING).read_text().startswith("0 = 'mine'\n")
    assert "\n3 = 'mine'\n" in (accounts / "models.py").read_text()
    assert not (accounts / "service.py").exists()
    assert not (service / USERS).exists()
    assert not conflicts(service)


def test_a_file_of_the_owners_is_not_taken_for_one_that_was_renamed(
    template: Path, service: Path
) -> None:
    """The version that it is of did not have the file yet."""
    (service / "src/order_desk/later.py").write_text("mine = 1\n", "utf-8")
    commit_all(service)
    package = template / "template/src/{{ package_name }}"
    (package / "latest.py").write_text(LINES, "utf-8")
    names = ("src/{package_name}/later.py", "src/{package_name}/latest.py")
    release(template, ("rename", *names))

    update(service)

    assert (service / "src/order_desk/later.py").read_text() == "mine = 1\n"
    assert (service / "src/order_desk/latest.py").read_text() == LINES
    assert not conflicts(service)


def move_pages(template: Path) -> Path:
    (template / "template/src/{{ package_name }}/web").mkdir()
    return rename(template, "pages.py", "web/pages.py")


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        (MINE, "from ..pages import a, b", "from ..web.pages import a, b"),
        (MINE, "from ..pages import (\n    a,\n)", "from ..web.pages import (\n    a,\n)"),
        (MINE, "    from ..pages import a  # b", "    from ..web.pages import a  # b"),
        (MINE, "from .. import pages", "from ..web import pages"),
        (MINE, "from .. import pages as p", "from ..web import pages as p"),
        (MINE, "from order_desk.pages import a", "from order_desk.web.pages import a"),
        (MINE, "from ..pages import a\r\n", "from ..web.pages import a\r\n"),
        ("src/order_desk/mine.py", "from .pages import a", "from .web.pages import a"),
        ("tests/test_mine.py", "from order_desk import pages", "from order_desk.web import pages"),
        ("tests/mine/a.py", "from order_desk.pages import a", "from order_desk.web.pages import a"),
    ],
)
def test_imports_follow_a_module_that_moves(
    template: Path,
    service: Path,
    capfd: pytest.CaptureFixture[str],
    file: str,
    before: str,
    after: str,
) -> None:
    (service / file).parent.mkdir(parents=True, exist_ok=True)
    (service / file).write_text(before, "utf-8", newline="")
    commit_all(service)
    move_pages(template)
    release(template, MOVE)

    update(service)

    assert (service / file).read_bytes() == after.encode()
    assert f"changed the imports of {file}" in capfd.readouterr().err
    assert git(service, "status", "--short", file) == f" M {file}\n"


@pytest.mark.parametrize(
    "line",
    [
        "from .pages import a",
        "from ....pages import a",
        "from ..pages_of_mine import a",
        "from ..mine.pages import a",
        "from pages import a",
        "from .. import a, pages",
        "from ..a import pages",
        "import order_desk.pages",
        "# from ..pages import a",
        "from . import a",
    ],
)
def test_other_imports_are_left_alone(
    template: Path, service: Path, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    (service / MINE).parent.mkdir()
    (service / MINE).write_text(f"{line}\n", "utf-8")
    commit_all(service)
    move_pages(template)
    release(template, MOVE)

    update(service)

    assert (service / MINE).read_text() == f"{line}\n"
    assert "changed the imports" not in capfd.readouterr().err


def test_imports_stay_where_the_module_is_left_out(template: Path, service: Path) -> None:
    """The new answers do not render it, so the owner's version is kept at the old place."""
    edit(service / PAGES)
    (service / MINE).parent.mkdir()
    (service / MINE).write_text("from ..pages import a\n", "utf-8")
    commit_all(service)
    (template / "template/src/{{ package_name }}/pages.py").unlink()
    release(template, MOVE)

    update(service)

    assert conflicts(service) == {PAGES}
    assert (service / MINE).read_text() == "from ..pages import a\n"


def test_imports_of_a_module_that_moves_lead_where_they_led(template: Path, service: Path) -> None:
    """Those of the template are no part of what the owner has changed."""
    package = template / "template/src/{{ package_name }}"
    (package / "pages.py").write_text(f"from . import base\nfrom .health import a\n{LINES}")
    commit_all(template, tag="v1.0.1")
    update(service)
    text = (service / PAGES).read_text()
    mine = "from .mine import x\nfrom .pages import a\n"
    (service / PAGES).write_text(text.replace("from .health", f"{mine}from .health"), "utf-8")
    commit_all(service)
    move_pages(template).write_text(f"from .. import base\nfrom ..health import a\n{LINES}")
    release(template, MOVE)

    update(service)

    assert not conflicts(service)
    mine = "from ..mine import x\nfrom .pages import a\n"
    text = (service / WEB_PAGES).read_text()
    assert text == f"from .. import base\n{mine}from ..health import a\n{LINES}"


def test_files_of_the_owners_in_a_folder_that_moves_import_what_they_did(
    template: Path, service: Path
) -> None:
    text = "from . import service\nfrom .models import a\nfrom ..users.models import b\n"
    (service / USERS / "mine.py").write_text(f"{text}from ..pages import c\n", "utf-8")
    (service / MINE).parent.mkdir()
    (service / MINE).write_text("from ..users.models import a\n", "utf-8")
    commit_all(service)
    (template / "template/src/{{ package_name }}/people").mkdir()
    rename(template, "users", "people/users")
    release(template, ("rename", "src/{package_name}/users", "src/{package_name}/people/users"))

    update(service)

    followed = text.replace("from ..users.", "from .").replace("..pages", "...pages")
    moved = (service / "src/order_desk/people/users/mine.py").read_text()
    assert moved == f"{followed}from ...pages import c\n"
    assert (service / MINE).read_text() == "from ..people.users.models import a\n"


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


PAGES_QUESTION = {"type": "bool", "help": "?", "default": False}


def ask_for_pages(template: Path) -> None:
    """Release a version that asks a question, and answers it for services that are older."""
    with (template / "copier.yml").open("a") as questions:
        yaml.safe_dump({"pages": PAGES_QUESTION}, questions)
    release(template, ("answer", "pages", "true"))


def test_an_older_service_gets_another_answer_than_a_new_one(
    template: Path, service: Path, tmp_path: Path
) -> None:
    ask_for_pages(template)

    update(service)
    new = copy_service(template, tmp_path / "new")

    assert answers_of(service)["pages"] is True
    assert answers_of(new)["pages"] is False


def test_an_answer_that_the_owner_gives_counts(template: Path, service: Path) -> None:
    ask_for_pages(template)

    update(service, pages=False)

    assert answers_of(service)["pages"] is False


def test_a_question_is_answered_once(template: Path, service: Path) -> None:
    ask_for_pages(template)
    update(service, pages=False)
    commit_all(service)
    commit_all(template, tag="v1.2.0")

    update(service)

    assert answers_of(service)["pages"] is False


def test_the_answer_of_an_owner_who_was_asked_before_stays(template: Path, service: Path) -> None:
    """A version before the release may have asked already."""
    answers = (service / ".copier-answers.yml").read_text()
    (service / ".copier-answers.yml").write_text(f"{answers}pages: false\n", "utf-8")
    commit_all(service)
    ask_for_pages(template)

    update(service)

    assert answers_of(service)["pages"] is False


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

    assert before == 'asyncpg>=0.32,<1\n0\n"desk"\nmine:\n'
    assert (service / "facts.txt").read_text() == "asyncpg==9\n7\nDESK\nmine:\nedited\n"
    assert not conflicts(service)


def test_answers_have_a_file_of_any_name(template: Path, tmp_path: Path) -> None:
    """The repository may have another template's answers, too, under the usual name."""
    name = ".copier-answers.api.yml"
    service = copy_service(
        template, tmp_path / "repository", answers_file=name, project_name="Order Desk", workers=3
    )
    assert not (service / ".copier-answers.yml").exists()
    (service / ".copier-answers.yml").write_text("_commit: v7\n_src_path: gh:other/one\n", "utf-8")
    edit(service / PAGES)
    commit_all(service)
    edit(rename(template, "pages.py", "paging.py"), 39)
    (template / "template/src/{{ package_name }}/health/endpoints.py").unlink()
    release(template, RENAME, ("answer", "fast_paths", "true"))
    remembered = service / name
    remembered.write_text(remembered.read_text().replace("fast_paths: false\n", ""))
    edit(service / HEALTH)
    commit_all(service)

    update(service, answers_file=name)

    answers = answers_of(service, name)
    assert (answers["workers"], answers["fast_paths"]) == (3, True)
    assert "0 = 'mine'\n" in (service / PAGING).read_text()
    assert conflicts(service) == {HEALTH}
    assert (service / ".copier-answers.yml").read_text().startswith("_commit: v7\n")


@pytest.fixture
def with_attributes(template: Path) -> Path:
    """The template with a new version that says how lines end."""
    (template / "template/.gitattributes").write_text("* text=auto eol=lf\n")
    edit(template / "template/src/{{ package_name }}/pages.py", 39)
    release(template, ("line-endings",))
    return template


def line_ends(service: Path) -> set[str]:
    """Return how lines end, in the index and in the folder."""
    listed = git(service, "ls-files", "--eol").splitlines()
    return {" ".join(line.split()[:2]) for line in listed if "none" not in line}


def test_a_service_that_was_committed_with_crlf_has_no_conflicts(
    with_attributes: Path, tmp_path: Path
) -> None:
    service = copy_service(with_attributes, tmp_path / "order-desk", vcs_ref="v1.0.0")
    edit(service / PAGES)
    (service / "mine.txt").write_text("mine\n", "utf-8")
    (service / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    for file in git(service, "ls-files", "--cached", "--others").split():
        if file != "logo.png":
            path = service / file
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    commit_all(service)
    assert line_ends(service) == {"i/crlf w/crlf", "i/-text w/-text"}

    update(service)

    assert not conflicts(service)
    assert line_ends(service) == {"i/lf w/lf", "i/-text w/-text"}
    pages = (service / PAGES).read_text()
    assert "\n0 = 'mine'\n" in f"\n{pages}"
    assert "\n39 = 'mine'\n" in pages
    assert (service / "logo.png").read_bytes() == b"\x89PNG\r\n\x1a\n\0"


def test_attributes_of_the_owners_stay(with_attributes: Path, tmp_path: Path) -> None:
    service = copy_service(with_attributes, tmp_path / "order-desk", vcs_ref="v1.0.0")
    (service / ".gitattributes").write_text("*.bat text eol=crlf\n")
    (service / "run.bat").write_bytes(b"echo\r\n")
    commit_all(service)

    update(service)

    assert not conflicts(service)
    assert (service / ".gitattributes").read_text() == "*.bat text eol=crlf\n"
    assert (service / "run.bat").read_bytes() == b"echo\r\n"


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_a_migration_works_on_the_service_whatever_a_hook_has_set(
    service: Path, tmp_path: Path, variable: str
) -> None:
    (service / HEALTH).unlink()
    other = tmp_path / "other"

    done = subprocess.run(
        [sys.executable, ROOT / "extensions/migrate.py", "keep-edited"],
        cwd=service,
        env={**os.environ, variable: str(other), "STAGE": "after"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert not other.exists()
    assert deletions(service) == {HEALTH}
