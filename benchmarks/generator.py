"""What the template costs: ``copier copy`` and ``copier update`` against Copier by itself.

    uv run python benchmarks/generator.py

It is compared with a template of one file, which shows what Python's start, Copier and Git take,
and with one that has each file of a service, but nothing in them to render. All have a history; an
update goes from the commit before the last one to the last.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from harness import HERE

TEMPLATES = ("one file", "same files", "this")

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
        write_template(scratch / "one file")
        copier("copy", "--vcs-ref", "HEAD", str(scratch / "this"), str(scratch / "service"))
        write_template(scratch / "same files", files=scratch / "service")
        rounds = []
        for number in range(options.rounds + 1):
            folder = scratch / f"round{number}"
            times = {
                template: measure(scratch / template, folder / template) for template in TEMPLATES
            }
            # The first round fills caches.
            if number:
                rounds.append(times)
    print(f"{'seconds':<10}" + "".join(f"{template:>12}{'ratio':>8}" for template in TEMPLATES))
    for index, command in enumerate(("copy", "update")):
        line = f"{command:<10}"
        for template in TEMPLATES:
            seconds = median(times[template][index] for times in rounds)
            ratio = median(times["this"][index] / times[template][index] for times in rounds)
            line += f"{seconds:>12.2f}{ratio:>8.2f}"
        print(line)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def commit_all(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Commit")


def write_template(template: Path, *, files: Path | None = None) -> None:
    """Make a template of one file, which its last commit changes, and others that it copies."""
    if files:
        shutil.copytree(files, template, ignore=shutil.ignore_patterns(".copier-answers.yml"))
    else:
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
