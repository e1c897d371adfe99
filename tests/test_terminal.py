"""The interview in a terminal: nothing that it says is cut off."""

from pathlib import Path

import pytest

from tests.helpers.template import QUESTIONS
from tests.helpers.terminal import CLEAR, ENTER, terminal

WRONG = {
    "project_name": ("a/b", "Type it without / or \\: no path.", "Desk"),
    "package_name": ("class", "Try class_service: it is a keyword", "desk"),
    "description": ("x" * 201, "At most 200 characters, not 201.", "A desk."),
    "concurrent_requests": ("0", "Whole numbers, 1 to 10000.", "20"),
    "queries_per_request": ("0", "Whole numbers, 1 to 1000.", "2"),
    "workers": ("0", "Whole numbers, 1 to 100.", "2"),
    "replicas": ("0", "Whole numbers, 1 to 1000.", "2"),
    "max_connections": ("17", "It takes 18 or more.", "18"),
}
"""A bad answer to each question that is answered by typing, what it is told, and a good one."""


@pytest.mark.parametrize("columns", [80, 120])
def test_every_prompt_help_and_error_is_whole(
    questionnaire: Path, tmp_path: Path, columns: int
) -> None:
    typed = {
        name
        for name, question in QUESTIONS.items()
        if question["type"] != "bool" and "choices" not in question
    }
    assert WRONG.keys() == typed
    command = ("copier", "copy", "--trust", "--ask", "*", questionnaire, "order-desk")
    with terminal(columns, command, tmp_path) as shown:
        for name, question in QUESTIONS.items():
            shown.wait_for(f" {question['help']}")
            for label in question.get("choices", ()):
                shown.wait_for(label)
            if name in WRONG:
                bad, told, good = WRONG[name]
                shown.type(f"{CLEAR}{bad}{ENTER}")
                assert shown.wait_for(told).endswith(told)
                shown.type(f"{CLEAR}{good}")
            shown.type(ENTER)
        shown.wait_for("uv run poe dev")
        shown.wait_for("uv run poe update")


def test_every_help_fits_beside_the_sign_before_it() -> None:
    assert not {name for name, question in QUESTIONS.items() if len(question["help"]) > 76}
