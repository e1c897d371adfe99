"""Git repositories made for a test."""

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    """Run Git in a folder and return what it prints."""
    return subprocess.run(
        ["git", *arguments],  # noqa: S607
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def commit_all(folder: Path, *, tag: str | None = None) -> Path:
    """Commit everything in a folder, made a repository first if need be."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=.")
    if tag is not None:
        git(folder, "tag", tag)
    return folder
