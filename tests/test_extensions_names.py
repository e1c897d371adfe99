"""extensions/names.py: names that follow from a project name, and quoting."""

import ast
import keyword
import sys
import tomllib
from importlib.metadata import requires

import pytest
import yaml
from jinja2 import Environment
from packaging.requirements import Requirement

from extensions import names
from tests.helpers.imports import normal

AWKWARD = [
    "a",
    "-",
    "123 go",
    "1",
    "class",
    "None",
    "match",
    "json",
    "fastapi",
    "python-dotenv",
    "tests",
    "日本",
    "☃",
    "Überservice ☃",
    "Straße & Søn",
    'O\'Brien "x"',
    "{{ x }}",
    "-leading-dash",
    "__init__",
    "x" * 80,
    "1" * 80,
    "a long name of many words that does not fit into one package name",
]


@pytest.mark.parametrize(
    ("project_name", "package_name", "distribution_name"),
    [
        ("Order Desk", "order_desk", "order-desk"),
        ("order-desk_2", "order_desk_2", "order-desk-2"),
        ("a", "a", "a"),
        ("123 go", "service_123_go", "123-go"),
        ("class", "class_service", "class-service"),
        ("json", "json_service", "json-service"),
        ("FastAPI", "fastapi_service", "fastapi-service"),
        ("tests", "tests_service", "tests-service"),
        ("日本", "service", "service"),
        ("Überservice ☃", "uberservice", "uberservice"),
        ("Straße & Søn", "strasse_son", "strasse-son"),
        ('O\'Brien "x"', "obrien_x", "obrien-x"),
        (
            "a long name of many words that does not fit into one package name",
            "a_long_name_of_many_words_that_does_not",
            "a-long-name-of-many-words-that-does-not-fit-into-one-package-name",
        ),
    ],
)
def test_names_follow_from_the_project_name(
    project_name: str, package_name: str, distribution_name: str
) -> None:
    assert names.package_name(project_name) == package_name
    assert names.distribution_name(project_name) == distribution_name


@pytest.mark.parametrize("project_name", AWKWARD)
def test_a_derived_package_name_is_always_accepted(project_name: str) -> None:
    assert names.package_name_problem(names.package_name(project_name)) == ""


def test_a_name_derived_from_a_taken_one_is_free() -> None:
    taken = {*keyword.kwlist, *names.SOFT_KEYWORDS, *names.STDLIB, *names.INSTALLED, *names.FOLDERS}

    assert not {name for name in taken if names.taken_by(names.package_name(name))}
    assert not {name for name in taken if names.distribution_name(name) == name.replace("_", "-")}


@pytest.mark.parametrize(
    ("package_name", "reason", "instead"),
    [
        ("", "lower-case letters", "service"),
        ("Order-Desk", "lower-case letters", "order_desk"),
        ("1st", "lower-case letters", "service_1st"),
        ("_private", "lower-case letters", "private"),
        ("überservice", "lower-case letters", "uberservice"),
        ("order_desk\n", "lower-case letters", "order_desk"),
        ("class", "a keyword", "class_service"),
        ("match", "a keyword", "match_service"),
        ("json", "a module of Python", "json_service"),
        ("annotationlib", "a module of Python", "annotationlib_service"),
        ("fastapi", "a package that", "fastapi_service"),
        ("tests", "a folder", "tests_service"),
        ("x" * 41, "41 characters", "x" * 40),
    ],
)
def test_a_bad_package_name_is_refused_with_one_that_works(
    package_name: str, reason: str, instead: str
) -> None:
    problem = names.package_name_problem(package_name)

    assert problem.startswith(f"Try {instead}: ")
    assert reason in problem


@pytest.mark.parametrize(
    ("package_name", "problem"),
    [
        ("class", "Try class_service: it is a keyword"),
        ("fastapi", "Try fastapi_service: it is taken"),
        ("Order-Desk", "Try order_desk: a-z, 0-9, _ only"),
        ("Very long name of a service", "Try very_long_name_of_a_service"),
        ("x" * 41, "Try a shorter one: a-z, 0-9, _"),
    ],
)
def test_in_an_interview_a_line_holds_the_advice(package_name: str, problem: str) -> None:
    assert names.package_name_problem(package_name, whole=False) == problem


@pytest.mark.parametrize("name", ["order_desk", "a", "x" * 40, "app", "service", "api_v2"])
def test_a_good_package_name_is_accepted(name: str) -> None:
    assert names.package_name_problem(name) == ""


def test_the_standard_library_of_this_python_is_known() -> None:
    public = {name for name in sys.stdlib_module_names if not name.startswith("_")}

    assert public <= names.STDLIB


def required(name: str, found: set[str]) -> set[str]:
    """Add the name of a distribution to those found, and the names of all that it requires."""
    if name not in found:
        found.add(name)
        for line in requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                required(normal(requirement.name), found)
    return found


def test_what_belongs_to_copier_is_known() -> None:
    """A service has Copier and what belongs to it in its dependency group `template`."""
    found: set[str] = set()
    for name in ("copier", "copier-template-extensions"):
        required(name, found)

    assert len(found) > 10
    assert not {name for name in found if not names.taken_by(name.replace("-", "_"))}


@pytest.mark.parametrize(
    ("project_name", "problem"),
    [
        ("", "for example Order Desk"),
        ("   ", "for example Order Desk"),
        ("a/b", "without /"),
        ("a\\b", "without /"),
        ("a\nb", "U+000A"),
        ("a\tb", "U+0009"),
        ("a\x00b", "U+0000"),
        ("a\u2028b", "U+2028"),
        ("a\u202eb", "U+202E"),
        ("a\udcffb", "U+DCFF"),
        (" a", "the space around"),
        ("a ", "the space around"),
        ("a" * 81, "80 characters, not 81"),
    ],
)
def test_a_bad_project_name_is_refused(project_name: str, problem: str) -> None:
    assert problem in names.project_name_problem(project_name)


@pytest.mark.parametrize("project_name", AWKWARD)
def test_any_other_project_name_is_accepted(project_name: str) -> None:
    assert names.project_name_problem(project_name) == ""


@pytest.mark.parametrize(
    ("folder", "title"),
    [
        ("order-desk", "order-desk"),
        ("  two\nlines ", "two lines"),
        ("caf\udcff", "caf"),
        ("back\\slash", "back slash"),
        ("x" * 200, "x" * 80),
        ("\x01", "service"),
        ("", "service"),
    ],
)
def test_the_name_of_any_folder_becomes_a_valid_project_name(folder: str, title: str) -> None:
    assert names.folder_title(folder) == title
    assert names.project_name_problem(title) == ""


def test_a_description_is_one_line_and_may_be_empty() -> None:
    assert names.description_problem("") == ""
    assert names.description_problem("Takes / returns \\ and 日本.") == ""
    assert "U+000A" in names.description_problem("one\ntwo")
    assert "200 characters, not 201" in names.description_problem("x" * 201)


QUOTED = [*AWKWARD, "", "\\", '"', "'", "\"'", "it's", 'say "hi"', "\\n", "# {% raw %}"]


@pytest.mark.parametrize("text", QUOTED)
def test_quoted_text_is_read_back_unchanged(text: str) -> None:
    assert ast.literal_eval(names.py_string(text)) == text
    assert tomllib.loads(f"x = {names.toml_string(text)}") == {"x": text}
    assert yaml.safe_load(f"x: {names.toml_string(text)}") == {"x": text}


@pytest.mark.parametrize(
    ("text", "literal"),
    [("plain", '"plain"'), ("it's", '"it\'s"'), ('say "hi"', "'say \"hi\"'")],
)
def test_python_strings_are_quoted_as_the_formatter_does(text: str, literal: str) -> None:
    assert names.py_string(text) == literal


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Order Desk", "Order Desk"),
        ("order_desk", "order_desk"),
        ("_private_", r"\_private\_"),
        ("a*b <i> [x] `c` \\", r"a\*b \<i\> \[x\] \`c\` \\"),
        ("# title", r"\# title"),
        ("-leading-dash", r"\-leading-dash"),
        ("1. first", r"1\. first"),
    ],
)
def test_markdown_shows_the_text_itself(text: str, markdown: str) -> None:
    assert names.markdown_text(text) == markdown


def test_the_extension_adds_filters_and_the_distribution_name() -> None:
    environment = Environment(extensions=[names.NamesExtension], autoescape=False)  # noqa: S701
    template = environment.from_string("{{ distribution_name }} {{ project_name | py_string }}")

    rendered = template.render(project_name="Order Desk", _copier_conf={})

    assert rendered == 'order-desk "Order Desk"'
