"""Options and fixtures of all tests."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from pytest_copie.plugin import Copie

from tests.helpers import variants
from tests.helpers.template import checked, copy_questionnaire, copy_template

Render = Callable[[Mapping[str, Any]], Path]

# These tests run inside a rendered service, to which test_owner_code.py adds them.
collect_ignore = ["owner_code"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("template")
    group.addoption(
        "--variants",
        default="full",
        help="which variants to test: full, pairwise, default, or names joined by commas",
    )
    group.addoption(
        "--service-python",
        default=None,
        help="Python that runs the services, for example 3.13 (default: the one of pytest)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "variant" in metafunc.fixturenames:
        try:
            selected = variants.select(metafunc.config.getoption("variants"))
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
