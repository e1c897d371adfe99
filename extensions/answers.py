"""Answers: what is given by `--data` or a data file must answer a question.

Copier itself ignores an answer without a question, and takes any text for a yes.

This file imports nothing from its siblings: on `copier update` the old and the new version of it
run in one process, and a sibling would be served from the wrong one's module cache.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from copier.errors import UserMessageError
from copier_template_extensions import ContextHook

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = frozenset({"yes", "y", "true", "t", "on", "1", "no", "n", "false", "f", "off", "0"})
"""What Copier takes for a yes or a no."""
OF_LATER_VERSIONS = frozenset({("jobs", "none")})
"""Answers by which a question that is yet to come asks for nothing; a data file may have them."""
OF_AN_UPDATE = "copier._main."
"""How the temporary folders are called in which an update renders, those of migrate.py, too."""


def data_problem(data: Mapping[str, Any], questions: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what is wrong with the answers that were given, or nothing.

    `questions` has what copier.yml says of each question by its name.
    """
    for name, answer in data.items():
        if name.startswith("_") or (name, answer) in OF_LATER_VERSIONS:
            continue
        if name not in questions:
            nearest = get_close_matches(name, questions, n=1)
            advice = f"Is it {nearest[0]}?" if nearest else f"There are {', '.join(questions)}."
            return f"There is no question {name}. {advice}"
        if wanted := wanted_instead(answer, questions[name]):
            return f"The answer to {name} is {wanted}, not {answer!r}."
    return ""


def wanted_instead(answer: object, question: Mapping[str, Any]) -> str:
    """Say what would be an answer to the question, unless this is one."""
    text = str(answer).strip()
    if question["type"] == "bool" and text.lower() not in WORDS:
        return "yes or no"
    if question["type"] == "int" and not re.fullmatch(r"-?\d+", text):
        return "a whole number"
    choices = question.get("choices", {}).values()
    names = [choice["value"] if isinstance(choice, dict) else choice for choice in choices]
    if names and answer not in names:
        return f"{', '.join(names[:-1])} or {names[-1]}"
    return ""


@cache
def questions_of(template: Path) -> dict[str, dict[str, Any]]:
    """Return what the template says of each of its questions by its name."""
    settings = yaml.safe_load((template / "copier.yml").read_text("utf-8"))
    return {name: value for name, value in settings.items() if not name.startswith("_")}


class AnswersExtension(ContextHook):
    """Refuses bad data before anything is rendered."""

    def hook(self, context: dict[str, Any]) -> None:
        """Look at the data of whoever called Copier.

        What an update renders for itself has all answers that a service remembers, those to
        questions of other versions included.
        """
        settings = context["_copier_conf"]
        if any(part.startswith(OF_AN_UPDATE) for part in Path(settings["dst_path"]).parts):
            return
        questions = questions_of(Path(settings["src_path"]))
        if problem := data_problem(settings["data"], questions):
            raise UserMessageError(problem)
