"""Options and fixtures of all tests."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pytest_copie.plugin import Copie

from tests.helpers import variants
from tests.helpers.service import Service
from tests.helpers.template import checked, copy_questionnaire, copy_template

Render = Callable[[Mapping[str, Any]], Path]
ServiceWith = Callable[..., Service]

# These tests run inside a rendered service, to which test_owner_code.py adds them.
collect_ignore = ["owner_code"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("template")
    group.addoption(
        "--slow",
        action="store_true",
        help="run the slow tests, which are left out otherwise, instead of the quick ones",
    )
    group.addoption(
        "--variants",
        default=None,
        help="which variants to test wholly: full, pairwise, default, or names joined by commas",
    )
    group.addoption(
        "--service-python",
        default=None,
        help="Python that runs the services, for example 3.13 (default: the one of pytest)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "variant" in metafunc.fixturenames:
        try:
            selected = variants.select(metafunc.config.getoption("variants") or "full")
        except ValueError as error:
            raise pytest.UsageError(*error.args) from None
        metafunc.parametrize(
            "variant",
            [
                pytest.param(variant, id=str(variant), marks=pytest.mark.xdist_group(str(variant)))
                for variant in selected
            ],
            scope="session",
        )


def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are processors, since suites wait half of their time."""
    return (os.cpu_count() or 1) + 1


def pytest_report_header(config: pytest.Config) -> str:
    if config.getoption("slow"):
        return "tests: the slow ones; without --slow the others"
    return "tests: the quick ones; the others with --slow"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow, few, suites = config.getoption("slow"), variants.pairwise(), variants.drivers()
    left_out = {
        item for item in items if is_slow(item, few, suites) != slow and not is_asked_for(item)
    }
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def variant_of(item: pytest.Item) -> variants.Variant | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("variant") if callspec else None


def is_asked_for(item: pytest.Item) -> bool:
    """Say whether it tests one of the variants that were named."""
    return variant_of(item) is not None and item.config.getoption("variants") is not None


def is_slow(
    item: pytest.Item, few: Sequence[variants.Variant], suites: Sequence[variants.Variant]
) -> bool:
    """Say whether a test belongs to the slow ones.

    The quick ones check the few variants that have every pair of answers, and run the suites of
    one for each driver.
    """
    variant = variant_of(item)
    if variant is None:
        return item.get_closest_marker("slow") is not None
    if item.name.startswith("test_suite"):
        return variant not in suites
    return variant not in few


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's own Git and Copier settings out of the tests."""
    settings = tmp_path_factory.mktemp("settings") / "copier.yml"
    settings.write_text("{}\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPIER_SETTINGS_PATH", str(settings))
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Test")
            patch.setenv(f"GIT_{role}_EMAIL", "test@example.com")
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template without Git."""
    return copy_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def questionnaire(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The questions without the service."""
    return copy_questionnaire(tmp_path_factory.mktemp("questionnaire"))


@pytest.fixture(scope="session")
def render(copie_session: Copie, template: Path) -> Render:
    """Render a service: answers in, its folder out."""

    def rendered(answers: Mapping[str, Any]) -> Path:
        with redirect_stdout(None), redirect_stderr(None):  # a line for each file
            result = copie_session.copy(checked(answers), template_dir=template)
        if result.exception is not None:
            raise result.exception
        assert result.project_dir is not None
        return result.project_dir

    return rendered


@pytest.fixture(scope="module")
def service_with(render: Render) -> ServiceWith:
    """Render Order Desk with some answers, each once in a module."""

    @cache
    def rendered(**given: Any) -> Service:
        answers = {"project_name": "Order Desk", "database_driver": "asyncpg", **given}
        return Service.rendered(render(answers), {"package_name": "order_desk", **answers})

    return rendered
