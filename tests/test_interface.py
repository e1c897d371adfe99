"""Names that owners copy into code of their own are kept, but by a major version.

`interface.yml` is the list. It has whatever the example uses of the rest of a service, since a
resource is copied from that.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ServiceWith
from tests.helpers.git import git
from tests.helpers.releases import RELEASES, require_history
from tests.helpers.service import Service
from tests.helpers.template import ROOT

FILE = "tests/interface.yml"
INTERFACE: dict[str, Any] = yaml.safe_load((ROOT / FILE).read_text("utf-8"))
NAMES = {(module, name) for module, names in INTERFACE["names"].items() for name in names}

COPIED = ("src/order_desk/users/", "src/order_desk/orders/", "tests/users/", "tests/orders/")
"""The folders that a resource of the owner's is copied from."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@pytest.fixture(scope="module")
def service(service_with: ServiceWith) -> Service:
    return service_with(auth="oidc")


def file_of(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}.py" if path.startswith("tests/") else f"src/order_desk/{path}.py"


def defined(body: Iterable[ast.stmt]) -> dict[str, ast.stmt]:
    """Return what a module or class defines, by its names."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, Definition):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found.update(
                {target.id: node for target in node.targets if isinstance(target, ast.Name)}
            )
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def missing(service: Service, names: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield each name that the service does not have, or has with other parameters."""

    @cache
    def module_body(module: str) -> list[ast.stmt]:
        return ast.parse(service.text(file_of(module))).body

    for module, name in sorted(names):
        if (module, name) == ("main", "app"):
            continue  # made when a server asks for it
        path, _, parameters = name.rstrip(")").partition("(")
        body, node = module_body(module), None
        for part in path.split("."):
            node = defined(body).get(part)
            body = node.body if isinstance(node, ast.ClassDef) else []
        if node is None:
            yield f"{module}: {path}"
        elif parameters and isinstance(node, Definition):
            taken = set(parameters.split(", ")) - parameters_of(node)
            if taken:
                yield f"{module}: {path} takes no {', '.join(sorted(taken))}"


def parameters_of(node: Definition) -> set[str]:
    assert not isinstance(node, ast.ClassDef)
    return {one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}


def used_by_the_example(service: Service) -> set[tuple[str, str]]:
    """Return what the example and its tests import from the rest of the service."""
    used = set()
    for file in service.files:
        if not (file.startswith(COPIED) and file.endswith(".py")):
            continue
        package = Path(file).parent.parts
        for node in ast.walk(ast.parse(service.text(file))):
            if isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else ()
                module = ".".join((*base, *(node.module or "").split(".")))
                module = re.sub(r"^(src\.)?order_desk\.", "", module)
                used |= {(module, alias.name) for alias in node.names}
    return {(module, name) for module, name in used if is_shared(service, module)}


def is_shared(service: Service, module: str) -> bool:
    return file_of(module) in service.files and not file_of(module).startswith(COPIED)


def taken_away(old: dict[str, Any], new: dict[str, Any]) -> dict[str, set[str]]:
    """Return the names that a list has lost, but for those that a major version has taken."""
    lost: dict[str, set[str]] = defaultdict(set)
    gone = {
        (module, name)
        for version, modules in new["gone"].items()
        if version.endswith(".0.0")
        for module, names in modules.items()
        for name in names
    }
    for module, names in old["names"].items():
        kept = set(new["names"].get(module, ()))
        lost[module] = {name for name in names if name not in kept and (module, name) not in gone}
    return {module: names for module, names in lost.items() if names}


def test_a_service_has_every_name_of_the_list(service: Service) -> None:
    assert list(missing(service, NAMES)) == []


def test_the_list_has_what_the_example_uses(service: Service) -> None:
    listed = {(module, name.partition("(")[0]) for module, name in NAMES}
    used = used_by_the_example(service)

    assert len(used) > 20
    assert used <= listed


def test_no_name_has_left_the_list_since_the_last_release() -> None:
    require_history()
    newest = list(RELEASES.values())[-1]
    had_one = git(ROOT, "ls-tree", "--name-only", newest, "--", FILE)
    old = yaml.safe_load(git(ROOT, "show", f"{newest}:{FILE}")) if had_one else {"names": {}}

    assert taken_away(old, INTERFACE) == {}


def test_what_is_missing_is_told(service: Service) -> None:
    asked = {
        ("web.problems", "Conflict"),
        ("web.problems", "Teapot"),
        ("database.repository", "AsyncRepository.get(entity_id, lock)"),
        ("database.repository", "AsyncRepository.page"),
    }

    assert list(missing(service, asked)) == [
        "database.repository: AsyncRepository.get takes no lock",
        "database.repository: AsyncRepository.page",
        "web.problems: Teapot",
    ]


def test_a_name_may_go_with_a_major_version_alone() -> None:
    old = {"names": {"web.problems": ["Gone", "Kept", "Lost"]}, "gone": {}}
    names = {"web.problems": ["Kept"]}

    for version, lost in (("3.0.0", {"Lost"}), ("2.1.0", {"Gone", "Lost"})):
        new = {"names": names, "gone": {version: {"web.problems": ["Gone"]}}}
        assert taken_away(old, new) == {"web.problems": lost}
