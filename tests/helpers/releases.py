"""The released versions of the template, and a history to update along."""

import re
import shutil
import tomllib
from pathlib import Path

from tests.helpers.git import commit_all, git
from tests.helpers.template import ROOT, copy_template
from tests.helpers.updates import substitute

FILE = ROOT / "tests" / "releases.toml"
RELEASES: dict[str, str] = tomllib.loads(FILE.read_text("utf-8"))["releases"]
"""The commit of each version, oldest first."""

PREVIOUS = "9998"
"""A version that differs from the working tree in every Python file, and in more."""
NEWEST = "9999"
"""The working tree."""

SERVICE = Path("template")
PACKAGE = SERVICE / "src" / "{{ package_name }}"
DROPPED = Path("docs/dropped.md")
"""A file that the previous version had."""
ADDED = Path("tests/test_main.py")
"""A file that it did not have."""


def history(folder: Path) -> Path:
    """Make a repository that has every release, PREVIOUS and NEWEST as tags."""
    if RELEASES:
        git(ROOT, "clone", "--quiet", "--no-tags", "--no-checkout", str(ROOT), str(folder))
        for version, commit in RELEASES.items():
            git(folder, "tag", f"v{version}", commit)
    else:
        folder.mkdir()
    age(copy_template(folder))
    commit_all(folder, tag=f"v{PREVIOUS}")
    for part in ("extensions", "template"):
        shutil.rmtree(folder / part)
    return commit_all(copy_template(folder), tag=f"v{NEWEST}")


def age(template: Path) -> None:
    """Turn a template into what may have come before it."""
    for file in template.glob("template/**/*.py"):
        text = file.read_text("utf-8")
        file.write_text(re.sub(r'\A"""', '"""Once: ', text), "utf-8")
    (template / SERVICE / DROPPED).parent.mkdir(exist_ok=True)
    (template / SERVICE / DROPPED).write_text("dropped\n", "utf-8")
    (template / SERVICE / ADDED).unlink()
    substitute(template / SERVICE / "pyproject.toml", '"alembic>=', '"alembic>=1,>=')
    substitute(template / SERVICE / "README.md", "^## Start$", "## Begin")
    substitute(template / SERVICE / ".env.example", r"\A", "# An older head line.\n")
    substitute(template / SERVICE / ".gitignore", r"^dist/\n", "")
    substitute(
        template / PACKAGE / "settings.py", "drain_seconds: float = Field", "drain: float = Field"
    )
