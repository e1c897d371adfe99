"""Answers: what is given by `--data` or a data file must answer a question.

Copier itself ignores an answer without a question, and takes any text for a yes.

This file imports nothing from its siblings: on `copier update` the old and the new version of it
run in one process, and a sibling would be served from the wrong one's module cache.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from copier.errors import UserMessageError
from copier_template_extensions import ContextHook

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTIONS = (
    "project_name",
    "package_name",
    "description",
    "database_driver",
    "http_client",
    "orjson",
    "health_checks",
    "example",
    "fast_paths",
    "concurrent_requests",
    "queries_per_request",
    "workers",
    "replicas",
    "max_connections",
)
SWITCHES = ("orjson", "health_checks", "example", "fast_paths")
"""Questions that are answered by yes or no."""

WORDS = frozenset({"yes", "y", "true", "t", "on", "1", "no", "n", "false", "f", "off", "0"})


def data_problem(data: Mapping[str, Any]) -> str:
    """Say what is wrong with the answers that were given, or nothing."""
    for name, answer in data.items():
        if name.startswith("_"):
            continue
        if name not in QUESTIONS:
            nearest = get_close_matches(name, QUESTIONS, n=1)
            advice = f"Is it {nearest[0]}?" if nearest else f"There are {', '.join(QUESTIONS)}."
            return f"There is no question {name}. {advice}"
        if name in SWITCHES and str(answer).strip().lower() not in WORDS:
            return f"The answer to {name} is yes or no, not {answer!r}."
    return ""


class AnswersExtension(ContextHook):
    """Refuses bad data before anything is rendered."""

    def hook(self, context: dict[str, Any]) -> None:
        """Look at the data of whoever called Copier.

        What an update renders for itself is quiet, and has all answers that a service remembers,
        those to questions of other versions included.
        """
        settings = context["_copier_conf"]
        if settings["quiet"]:
            return
        if problem := data_problem(settings["data"]):
            raise UserMessageError(problem)
