"""docs/patterns.md, the rules and the tests are in step."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


EXAMPLE = "calling-another-service-in-the-middle-of-a-write"
"""It shows how several entries work together, and has none of its own."""


def entries() -> dict[str, str]:
    """Return the text of each entry of the catalogue by its anchor."""
    text = (ROOT / "docs" / "patterns.md").read_text("utf-8")
    parts = re.split(r"^## .+$|^### (.+)$", text, flags=re.MULTILINE)
    return {
        anchor(heading): body
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
        if heading and anchor(heading) != EXAMPLE
    }


def documents(folder: str) -> list[str]:
    """Return each YAML document of a folder."""
    files = sorted((ROOT / "rules" / folder).glob("*.yml"))
    return [text for file in files for text in file.read_text("utf-8").split("\n---\n")]


def rule_of(document: str) -> str:
    match = re.search(r"^id: ([\w-]+)$", document, re.MULTILINE)
    assert match
    return match[1]


def link_of(text: str) -> str:
    match = re.search(r"docs/patterns\.md#([\w-]+)", text)
    assert match, text
    return match[1]


ENTRIES = entries()
CHECKS = {rule_of(document): link_of(document) for document in documents("checks")}
CONTRACTS = {
    rule: link_of(name)
    for rule, name in re.findall(r'^id = "(.+)"\nname = "(.+)"$', PYPROJECT, re.MULTILINE)
}
BANS = dict(re.findall(r'^"(.+)"\.msg = ".+patterns\.md#([\w-]+)"$', PYPROJECT, re.MULTILINE))


@pytest.mark.parametrize("rule", [*CHECKS, *CONTRACTS])
def test_a_rule_is_in_the_entry_that_it_leads_to(rule: str) -> None:
    assert f"`{rule}`" in ENTRIES[(CHECKS | CONTRACTS)[rule]]


def test_a_ban_is_in_the_entry_that_it_leads_to() -> None:
    assert len(BANS) == PYPROJECT.count(".msg = ")
    for name, link in BANS.items():
        assert "`TID251`" in ENTRIES[link], name


def test_each_rule_has_examples_of_both_kinds() -> None:
    examples = documents("examples")

    assert sorted(map(rule_of, examples)) == sorted(CHECKS)
    for example in examples:
        assert "\nvalid:\n  - " in example
        assert "\ninvalid:\n  - " in example


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_is_held_by_what_exists(entry: str) -> None:
    match = re.search(r"^Held by (.+?)\n(?:\n|\Z)", ENTRIES[entry], re.MULTILINE | re.DOTALL)
    assert match
    held = match[1]

    for file, test in re.findall(r"`(tests/.+\.py)::(\w+)`", held):
        assert f"def {test}(" in (ROOT / file).read_text("utf-8")
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", held)) <= {*CHECKS, *CONTRACTS}
    assert "```python\n# wrong" in ENTRIES[entry]
    assert "\n# right" in ENTRIES[entry]


def test_each_link_in_the_code_leads_somewhere() -> None:
    files: list[Path] = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    for file in files:
        for link in re.findall(r"docs/patterns\.md#([a-z-]+)", file.read_text("utf-8")):
            assert link in ENTRIES, file
