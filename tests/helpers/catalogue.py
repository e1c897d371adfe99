"""What a service's documents say of its patterns, its rules and its tests."""

import ast
import re
from dataclasses import dataclass
from functools import cached_property

from tests.helpers.service import Service

EXAMPLE = "calling-another-service-in-the-middle-of-a-write"
"""It shows how several entries work together, and has none of its own."""


def anchor(heading: str) -> str:
    """Return what a link calls a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def link_of(text: str) -> str:
    """Return the entry that a message leads to."""
    match = re.search(r"docs/patterns\.md#([\w-]+)", text)
    assert match, text
    return match[1]


def rule_of(document: str) -> str:
    """Return the rule that a document of YAML is of."""
    match = re.search(r"^id: ([\w-]+)$", document, re.MULTILINE)
    assert match
    return match[1]


@dataclass(frozen=True)
class Catalogue:
    """docs/patterns.md of a service, and what is to be in step with it."""

    service: Service

    @cached_property
    def entries(self) -> dict[str, str]:
        """The text of each entry by its anchor."""
        text = self.service.text("docs/patterns.md")
        parts = re.split(r"^## .+$|^### (.+)$", text, flags=re.MULTILINE)
        return {
            anchor(heading): body
            for heading, body in zip(parts[1::2], parts[2::2], strict=True)
            if heading and anchor(heading) != EXAMPLE
        }

    def documents(self, folder: str) -> list[str]:
        """Return each YAML document of a folder of rules/."""
        files = sorted(file for file in self.service.files if file.startswith(f"rules/{folder}/"))
        return [text for file in files for text in self.service.text(file).split("\n---\n")]

    @cached_property
    def rules(self) -> dict[str, str]:
        """The entry that each rule of ast-grep and contract of import-linter leads to."""
        contracts = self.service.pyproject["tool"]["importlinter"]["contracts"]
        checks = {rule_of(document): link_of(document) for document in self.documents("checks")}
        return checks | {contract["id"]: link_of(contract["name"]) for contract in contracts}

    @cached_property
    def bans(self) -> dict[str, str]:
        """The entry that each banned name leads to."""
        tidy = self.service.pyproject["tool"]["ruff"]["lint"]["flake8-tidy-imports"]
        return {name: link_of(ban["msg"]) for name, ban in tidy["banned-api"].items()}

    @cached_property
    def tests(self) -> dict[str, set[str]]:
        """The names of the tests of each file."""
        return {
            file: {
                node.name
                for node in ast.walk(ast.parse(self.service.text(file)))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            for file in self.service.files
            if re.fullmatch(r"tests/(.+/)?test_\w+\.py", file)
        }

    def held_by(self, entry: str) -> str:
        """Return what an entry says that it is held by."""
        text = self.entries[entry]
        match = re.search(r"^Held by (.+?)\n(?:\n|\Z)", text, re.MULTILINE | re.DOTALL)
        assert match, entry
        return match[1]
