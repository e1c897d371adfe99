"""extensions/drivers.py: the table of drivers."""

import re
from typing import Any

import pytest
from jinja2 import Environment
from packaging.requirements import Requirement

from extensions.drivers import DRIVERS, Driver, DriversExtension


def rendered(source: str, **context: Any) -> str:
    environment = Environment(extensions=[DriversExtension], autoescape=False)  # noqa: S701
    return environment.from_string(source).render(_copier_conf={}, **context)


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=list(DRIVERS))
def test_a_row_is_consistent(driver: Driver) -> None:
    scheme, _, driver_name = driver.url_scheme.partition("+")
    assert driver_name == driver.name
    assert scheme == driver.family
    assert driver.example_url.startswith(f"{scheme}://")
    assert Requirement(driver.requirement).name == driver.name
    assert re.fullmatch(r".*<[1-9]\d*", driver.requirement), "no bound but a major version"
    assert [driver.postgresql, driver.mysql, driver.sqlite].count(True) == 1
    assert (driver.default_port is None) == (driver.max_connections is None) == driver.sqlite


@pytest.mark.parametrize(
    ("database_driver", "expected"),
    [
        ("asyncpg", "postgresql+asyncpg True"),
        ("psycopg", "postgresql+psycopg True"),
        ("aiosqlite", "sqlite+aiosqlite False"),
        ("asyncmy", "mysql+asyncmy False"),
    ],
)
def test_templates_see_the_row_of_the_chosen_driver(database_driver: str, expected: str) -> None:
    source = "{{ driver.url_scheme }} {{ postgresql }}"

    assert rendered(source, database_driver=database_driver) == expected


@pytest.mark.parametrize("answers", [{}, {"database_driver": "oracle"}, {"database_driver": 1}])
def test_before_a_valid_answer_there_is_no_row(answers: dict[str, Any]) -> None:
    assert rendered("{{ driver is defined }}", **answers) == "False"
