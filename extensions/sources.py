"""Sources: whether a new service will find its template again, to be updated from it.

Jinja filter: `source_notes`, for what Copier records of the template in the answers file.

This file imports nothing from its siblings: on `copier update` the old and the new version of it
run in one process, and a sibling would be served from the wrong one's module cache.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2.ext import Extension

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

RELEASE = re.compile(r"v?\d+(\.\d+)+([a-z0-9.]*)")
PAST_A_RELEASE = re.compile(r"(?P<release>.+)-\d+-g[0-9a-f]+")
FILE = re.compile(r"(git\+)?file:")
URL = re.compile(r"[\w+.-]{2,}:|[\w.-]+@[\w.-]+:")


def source_notes(answers: Mapping[str, Any], file: object = ".copier-answers.yml") -> list[str]:
    """Return what stands in the way of updates, each with what to do about it.

    `file` is where the service remembers its answers.
    """
    source, commit = answers["_src_path"], answers.get("_commit")
    if not commit:
        note = (
            "The template was not a Git repository, so `copier update` will not work here. Make "
            "services that are to last from a clone of it or from its URL."
        )
        return [note]
    notes = [version_note(source, commit), path_note(source, file)]
    return [note for note in notes if note]


def version_note(source: str, commit: str) -> str:
    """Say what is wrong with the version, or nothing."""
    folder = Path(source).expanduser()
    if RELEASE.fullmatch(commit):
        return ""
    if folder.is_dir() and not has_commit(folder, commit):
        return (
            f"The template has changes that are not committed, and this was made from them "
            f"({commit}), so `copier update` can never work here. Commit them there, or leave "
            "out --vcs-ref, and make the service anew."
        )
    if past := PAST_A_RELEASE.fullmatch(commit):
        return (
            f"This was made from {commit}, which is past the release {past['release']}. `copier "
            "update` refuses to go back to that, and works from the next release on."
        )
    return (
        f"This was made from {commit}, which is not a release of the template. If it should be "
        "one, run `git fetch --tags` in the clone and make the service anew. As it is, `copier "
        "update` takes the newest commit until there is a release."
    )


def has_commit(folder: Path, commit: str) -> bool:
    """Return whether a repository can still name a commit."""
    # Whoever calls may be a hook, whose variables name another repository.
    variables = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"],  # noqa: S607
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout.split()
    command = ["git", "-C", str(folder), "rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}"]
    environment = {name: value for name, value in os.environ.items() if name not in variables}
    found = subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=False)  # noqa: S603
    return found.returncode == 0


def path_note(source: str, file: object) -> str:
    """Say who cannot follow the path to the template, or nothing."""
    if URL.match(source) and not FILE.match(source):
        return ""
    if FILE.match(source) or Path(source).expanduser().is_absolute():
        return (
            f"The template was named by a path ({source}), so `copier update` works on this "
            f"machine alone. Write the template's URL to _src_path in {file} if it has one."
        )
    return (
        f"The template was named by a relative path ({source}), which `copier update` will not "
        f"find. Write its URL or full path to _src_path in {file}."
    )


class SourcesExtension(Extension):
    """Adds the filter."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["source_notes"] = source_notes
