"""The template itself: its questions, and a copy of it to render from."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ANSWERS = "{{ _copier_conf.answers_file }}"
"""What the file of the answers is called in the template."""
CACHES = shutil.ignore_patterns("__pycache__", ".*_cache")

QUESTIONS: dict[str, dict[str, Any]] = {
    name: question
    for name, question in yaml.safe_load((ROOT / "copier.yml").read_text("utf-8")).items()
    if not name.startswith("_")
}


def choices_of(question: str) -> list[Any]:
    """Return the answers that a question lets choose from."""
    choices = QUESTIONS[question]["choices"].values()
    return [choice["value"] if isinstance(choice, dict) else choice for choice in choices]


def checked(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return `answers`; each must belong to a question, or Copier would ignore it silently."""
    unknown = answers.keys() - QUESTIONS.keys()
    assert not unknown, f"no such question: {', '.join(sorted(unknown))}"
    return dict(answers)


def copy_template(destination: Path) -> Path:
    """Copy what Copier needs of the working tree, without Git: rendering from it is faster."""
    for folder in ("extensions", "template"):
        shutil.copytree(ROOT / folder, destination / folder, ignore=CACHES)
    shutil.copy2(ROOT / "copier.yml", destination)
    return destination


def copy_questionnaire(destination: Path) -> Path:
    """Copy the questions and extensions alone; what they render is the answers file."""
    shutil.copytree(ROOT / "extensions", destination / "extensions", ignore=CACHES)
    shutil.copy2(ROOT / "copier.yml", destination)
    (destination / "template").mkdir()
    shutil.copy2(ROOT / "template" / ANSWERS, destination / "template")
    return destination
