"""The interview: every question asked, answered by keys and by data."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import run_copy, run_update

from tests.helpers.git import commit_all, git
from tests.helpers.interview import CLEAR, DOWN, ENTER, interview
from tests.helpers.template import QUESTIONS, checked, choices_of

DEFAULTS = {
    "project_name": "order-desk",
    "package_name": "order_desk",
    "description": "An asynchronous web service on FastAPI and SQLAlchemy.",
    "database_driver": "asyncpg",
    "http_client": "httpx2",
    "orjson": True,
    "health_checks": True,
    "example": True,
    "fast_paths": False,
    "auth": "none",
    "telemetry": "prometheus",
    "deploy": "container",
    "concurrent_requests": 20,
    "queries_per_request": 2,
    "workers": 2,
    "replicas": 2,
    "max_connections": 100,
}
EACH = ("*",)
"""The option of Copier by which it asks all questions."""
FLEET = {"replicas", "max_connections"}


def shown(question: str) -> str:
    """Return the part of a question's help that does not depend on other answers."""
    text: str = QUESTIONS[question]["help"]
    return text.partition("{{")[0]


def script(**keys: str) -> list[tuple[str, str]]:
    """Return a script that gives some answers by keys and accepts every other default."""
    checked(keys)
    return [(shown(question), keys.get(question, ENTER)) for question in QUESTIONS]


def recorded(folder: Path) -> dict[str, Any]:
    """Return the answers that a rendered project remembers, without what Copier adds."""
    answers = yaml.safe_load((folder / ".copier-answers.yml").read_text("utf-8"))
    return {name: answer for name, answer in answers.items() if not name.startswith("_")}


def copy(questionnaire: Path, destination: Path, **data: Any) -> dict[str, Any]:
    """Answer by data and accept every other default."""
    run_copy(
        str(questionnaire), destination, data=checked(data), defaults=True, unsafe=True, quiet=True
    )
    return recorded(destination)


def test_every_question_has_help_a_default_and_a_check() -> None:
    assert list(QUESTIONS) == list(DEFAULTS)
    for question in QUESTIONS.values():
        assert {"type", "help", "default"} <= question.keys()
        assert question["type"] == "bool" or question.keys() & {"validator", "choices"}


def test_pressing_enter_accepts_every_default(questionnaire: Path, tmp_path: Path) -> None:
    answers = interview(questionnaire, tmp_path / "order-desk", script(), ask=EACH)

    assert recorded(tmp_path / "order-desk") == DEFAULTS
    assert answers.items() >= DEFAULTS.items()


def test_a_newcomer_is_asked_few_questions(questionnaire: Path, tmp_path: Path) -> None:
    asked = [name for name, question in QUESTIONS.items() if question.get("ask", True)]
    assert len(asked) <= 10
    assert not {"workers", "max_connections", "fast_paths"} & set(asked)

    interview(questionnaire, tmp_path / "order-desk", [(shown(name), ENTER) for name in asked])

    assert recorded(tmp_path / "order-desk") == DEFAULTS


def test_without_an_interview_the_defaults_are_the_same(
    questionnaire: Path, tmp_path: Path
) -> None:
    assert copy(questionnaire, tmp_path / "order-desk") == DEFAULTS


@pytest.mark.parametrize(
    ("question", "downs", "answer"),
    [
        (question, downs, answer)
        for question in ("database_driver", "http_client", "auth", "deploy")
        for downs, answer in enumerate(choices_of(question))
    ],
)
def test_every_choice_can_be_reached_by_arrows(
    questionnaire: Path, tmp_path: Path, question: str, downs: int, answer: str
) -> None:
    lines = script(**{question: DOWN * downs + ENTER})
    if answer == "aiosqlite":
        lines = [line for line in lines if line[0] not in map(shown, FLEET)]

    interview(questionnaire, tmp_path / "order-desk", lines, ask=EACH)

    assert recorded(tmp_path / "order-desk")[question] == answer


@pytest.mark.parametrize("question", ["orjson", "health_checks", "example", "fast_paths"])
def test_every_option_can_be_declined_or_asked_for(
    questionnaire: Path, tmp_path: Path, question: str
) -> None:
    key = "n" if DEFAULTS[question] else "y"

    interview(questionnaire, tmp_path / "order-desk", script(**{question: key}), ask=EACH)

    assert recorded(tmp_path / "order-desk") == {**DEFAULTS, question: not DEFAULTS[question]}


@pytest.mark.parametrize(
    ("question", "bad", "message", "good"),
    [
        ("project_name", "", "Type one, for example Order Desk.", "Desk"),
        ("project_name", "a/b", "Type it without / or", "ab"),
        ("package_name", "class", "Try class_service: it is a keyword", "classes"),
        ("package_name", "json", "Try json_service: it is a module", "jsons"),
        ("package_name", "fastapi", "Try fastapi_service: it is taken", "desk"),
        ("package_name", "Order-Desk", "Try order_desk: a-z", "order_desk"),
        ("description", "x" * 201, "At most 200 characters, not 201", "Takes orders."),
        ("concurrent_requests", "0", "Whole numbers, 1 to 10000", "40"),
        ("queries_per_request", "0", "Whole numbers, 1 to 1000", "4"),
        ("workers", "many", "Invalid input", "4"),
        ("workers", "0", "Whole numbers, 1 to 100", "4"),
        ("replicas", "-1", "Whole numbers, 1 to 1000", "4"),
        ("max_connections", "17", "It takes 18 or more.", "18"),
    ],
)
def test_a_bad_answer_is_explained_and_can_be_corrected(
    questionnaire: Path, tmp_path: Path, question: str, bad: str, message: str, good: str
) -> None:
    lines = script(**{question: f"{CLEAR}{bad}{ENTER}"})
    after = next(i for i, (text, _) in enumerate(lines) if text == shown(question)) + 1
    lines.insert(after, (message, f"{CLEAR}{good}{ENTER}"))

    interview(questionnaire, tmp_path / "order-desk", lines, ask=EACH)

    assert str(recorded(tmp_path / "order-desk")[question]) == good


def test_a_file_has_no_fleet(questionnaire: Path, tmp_path: Path) -> None:
    answers = copy(questionnaire, tmp_path / "desk", database_driver="aiosqlite", workers=100)

    assert not answers.keys() & FLEET


def test_mysql_accepts_more_connections_by_default(questionnaire: Path, tmp_path: Path) -> None:
    answers = copy(questionnaire, tmp_path / "desk", database_driver="asyncmy")

    assert answers["max_connections"] == 151


def test_kubernetes_has_more_replicas_of_one_process(questionnaire: Path, tmp_path: Path) -> None:
    answers = copy(questionnaire, tmp_path / "desk", deploy="kubernetes")

    assert (answers["workers"], answers["replicas"]) == (1, 6)


def test_an_interview_offers_connections_that_fit(questionnaire: Path, tmp_path: Path) -> None:
    most = {"workers": f"{CLEAR}100{ENTER}", "replicas": f"{CLEAR}1000{ENTER}"}

    interview(questionnaire, tmp_path / "desk", script(**most), ask=EACH)

    assert recorded(tmp_path / "desk")["max_connections"] == 200_010


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"project_name": ""}, "for example Order Desk"),
        ({"project_name": "two\nlines"}, "U\\+000A"),
        ({"package_name": "fastapi"}, "Try fastapi_service: .fastapi. is a package"),
        ({"package_name": "../up"}, "lower-case letters"),
        ({"description": "two\nlines"}, "U\\+000A"),
        ({"concurrent_requests": 0}, "Whole numbers, 1"),
        ({"queries_per_request": -1}, "Whole numbers, 1"),
        ({"workers": 101}, "Whole numbers, 1 to 100"),
        ({"replicas": 0}, "Whole numbers, 1"),
        ({"max_connections": 17}, "2 x 4 \\+ 10 = 18, more than 17"),
        ({"workers": 64}, "2 x 128 \\+ 10 = 266, more than 100"),
        ({"deploy": "kubernetes", "database_driver": "aiosqlite"}, "a file on one machine"),
        ({"deploy": "kubernetes", "replicas": 3}, "Type 4 or more. On Kubernetes"),
    ],
    ids=str,
)
def test_bad_data_is_refused(
    questionnaire: Path, tmp_path: Path, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        copy(questionnaire, tmp_path / "desk", **data)

    assert not (tmp_path / "desk").exists()


def refusal(*arguments: str | Path) -> str:
    """Return what Copier's command line says when it refuses."""
    command = (sys.executable, "-m", "copier", *arguments)
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    return refused.stderr


def test_the_command_line_says_why_and_leaves_nothing(questionnaire: Path, tmp_path: Path) -> None:
    data = ("--data", "package_name=class")

    said = refusal("copy", "--trust", "--defaults", *data, questionnaire, tmp_path / "desk")

    assert "'class' is a keyword of Python" in said
    assert "Try class_service: " in said
    assert not (tmp_path / "desk").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("databse_driver=psycopg", "There is no question databse_driver. Is it database_driver?"),
        ("colour=blue", "There is no question colour. There are project_name, "),
        ("orjson=maybe", "The answer to orjson is yes or no, not 'maybe'."),
        ("workers=two", "The answer to workers is a whole number, not 'two'."),
        ("http_client=requests", "http_client is httpx2, aiohttp or none, not 'requests'."),
        ("jobs=celery", "There is no question jobs. There are project_name, "),
        ("deploy=swarm", "deploy is container, kubernetes or none, not 'swarm'."),
    ],
)
def test_data_that_answers_no_question_is_refused(
    questionnaire: Path, tmp_path: Path, data: str, message: str
) -> None:
    file = tmp_path / "data.yml"
    file.write_text(data.replace("=", ": "))
    for given in (("--data", data), ("--data-file", str(file)), ("--quiet", "--data", data)):
        said = refusal("copy", "--trust", "--defaults", *given, questionnaire, tmp_path / "desk")

        assert message in said
        assert "Traceback" not in said
        assert not (tmp_path / "desk").exists()


def test_data_may_decline_what_is_yet_to_come(questionnaire: Path, tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    run_copy(str(questionnaire), desk, data={"jobs": "none"}, defaults=True, unsafe=True)

    assert "jobs" not in QUESTIONS
    assert recorded(desk).items() >= {"database_driver": "asyncpg", "workers": 2}.items()


def test_data_that_answers_no_question_is_refused_on_update(
    questionnaire: Path, tmp_path: Path
) -> None:
    template = shutil.copytree(questionnaire, tmp_path / "template")
    dropped = template / "template" / "dropped.txt"
    dropped.touch()
    commit_all(template, tag="v1.0.0")
    service = tmp_path / "desk"
    run_copy(str(template), service, defaults=True, unsafe=True, quiet=True)
    remembered = service / ".copier-answers.yml"
    remembered.write_text(f"{remembered.read_text()}retired_question: 1\n")
    (service / dropped.name).write_text("edited, so that the last version is rendered again")
    commit_all(service)
    dropped.unlink()
    commit_all(template, tag="v1.1.0")

    for quiet in ((), ("--quiet",)):
        said = refusal("update", "--trust", "--defaults", *quiet, "--data", "worker=4", service)
        assert "There is no question worker. Is it workers?" in said
        assert git(service, "status", "--porcelain") == ""

    run_update(service, defaults=True, overwrite=True, unsafe=True, data={"workers": 4})
    assert recorded(service)["workers"] == 4
    assert (service / dropped.name).exists()


def test_data_may_answer_what_sqlite_is_not_asked(questionnaire: Path, tmp_path: Path) -> None:
    given = copy(questionnaire, tmp_path / "desk", database_driver="aiosqlite", max_connections=10)

    assert not given.keys() & FLEET


@pytest.mark.parametrize(
    "folder", ["fastapi", "123 go", "日本", "class", 'O\'Brien "x"', "{{ x }}", "-", "x" * 200]
)
def test_any_folder_name_gives_working_defaults(
    questionnaire: Path, tmp_path: Path, folder: str
) -> None:
    answers = copy(questionnaire, tmp_path / folder)

    assert answers["project_name"] == folder[:80]
