"""What the template costs: ``copier copy`` and ``copier update`` against a template of one file.

    uv run python benchmarks/generator.py

Both templates are clones with a history; an update goes from the commit before the last one to the
last. What the small one needs is Python's start, Copier and Git.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from harness import HERE

IDENTITY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "benchmark"), ("EMAIL", "benchmark@example.com"))
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time Copier with this template and another.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ |= IDENTITY
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        git(scratch, "clone", str(HERE.parent), "this")
        write_small(scratch / "small")
        rounds = []
        for number in range(options.rounds + 1):
            folder = scratch / f"round{number}"
            times = {
                template: measure(scratch / template, folder / template)
                for template in ("small", "this")
            }
            # The first round fills caches.
            if number:
                rounds.append(times)
    print(f"{'seconds':<10}{'one file':>10}{'this':>10}{'ratio':>8}")
    for index, command in enumerate(("copy", "update")):
        small, this = (
            [times[template][index] for times in rounds] for template in ("small", "this")
        )
        ratio = median(a / b for a, b in zip(this, small, strict=True))
        print(f"{command:<10}{median(small):>10.2f}{median(this):>10.2f}{ratio:>8.2f}")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def commit_all(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Commit")


def write_small(template: Path) -> None:
    """Make a template with one file, which its last commit changes."""
    template.mkdir()
    git(template, "init", "--quiet")
    (template / "copier.yml").write_text("name:\n  type: str\n  default: Ada\n")
    answers = "{{ _copier_answers | to_nice_yaml }}"
    (template / "{{ _copier_conf.answers_file }}.jinja").write_text(answers)
    for greeting in ("Hello", "Welcome"):
        (template / "greeting.txt.jinja").write_text(f"{greeting} {{{{ name }}}}\n")
        commit_all(template)


def measure(template: Path, project: Path) -> tuple[float, float]:
    """Return the seconds of a copy of the last version, and of an update to it."""
    copy = copier("copy", "--vcs-ref", "HEAD", str(template), str(project / "new"))
    old = project / "old"
    copier("copy", "--vcs-ref", "HEAD~1", str(template), str(old))
    git(old, "init", "--quiet")
    commit_all(old)
    return copy, copier("update", "--vcs-ref", "HEAD", str(old))


def copier(*arguments: str) -> float:
    """Run Copier without questions and return the seconds that it took."""
    command = [sys.executable, "-m", "copier", arguments[0], "--trust", "--defaults", "--quiet"]
    start = time.perf_counter()
    result = subprocess.run([*command, *arguments[1:]], check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if result.returncode:
        sys.exit(result.stderr)
    return seconds


if __name__ == "__main__":
    main()
