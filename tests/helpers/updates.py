"""Updates of a service, and what they leave to its owner."""

import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import yaml
from copier import run_copy, run_update

from tests.helpers.git import commit_all, git
from tests.helpers.template import checked

ANSWERS_FILE = ".copier-answers.yml"


def copy_service(
    template: Path,
    service: Path,
    *,
    vcs_ref: str | None = None,
    answers_file: str | None = None,
    **answers: Any,
) -> Path:
    """Make a service, by default of the newest release of a template, and commit it."""
    run_copy(
        str(template),
        service,
        data=checked(answers),
        vcs_ref=vcs_ref,
        answers_file=answers_file,
        defaults=True,
        unsafe=True,
        quiet=True,
    )
    return commit_all(service)


def update(service: Path, *, answers_file: str | None = None, **answers: Any) -> None:
    """Update a service to the newest release, with some answers changed."""
    with redirect_stdout(None):
        run_update(
            service,
            data=answers,
            answers_file=answers_file,
            defaults=True,
            overwrite=True,
            unsafe=True,
        )


def answers_of(service: Path, file: str = ANSWERS_FILE) -> dict[str, Any]:
    """Return what a service remembers, without what Copier adds."""
    answers = yaml.safe_load((service / file).read_text("utf-8"))
    return {name: answer for name, answer in answers.items() if not name.startswith("_")}


def conflicts(service: Path) -> set[str]:
    """Return the files that the message after an update lists as in conflict."""
    return set(git(service, "diff", "--name-only", "--diff-filter=U").split())


def deletions(service: Path) -> set[str]:
    """Return the files that the message after an update lists as gone."""
    return set(git(service, "diff", "--name-only", "--diff-filter=D").split())


def substitute(file: Path, pattern: str, replacement: str) -> None:
    """Replace the first match in a file; there has to be one."""
    text, count = re.subn(
        pattern, replacement, file.read_text("utf-8"), count=1, flags=re.MULTILINE
    )
    assert count, f"{pattern!r} is not in {file}"
    file.write_text(text, "utf-8")
