"""extensions/pools.py: pool sizing."""

from itertools import product
from typing import Any

import pytest
from jinja2 import Environment

from extensions import pools

DEFAULTS: dict[str, Any] = {
    "concurrent_requests": 20,
    "queries_per_request": 3,
    "workers": 2,
    "replicas": 2,
    "max_connections": 100,
}


def rendered(source: str, **context: Any) -> str:
    environment = Environment(extensions=[pools.PoolsExtension], autoescape=False)  # noqa: S701
    return environment.from_string(source).render(_copier_conf={}, **context)


@pytest.mark.parametrize(
    ("changed", "size"),
    [
        ({}, 10),  # 20 / 3 * 1.5
        ({"concurrent_requests": 21}, 11),  # 10.5, rounded up
        ({"concurrent_requests": 1, "queries_per_request": 1000}, 1),
        ({"concurrent_requests": 1000}, 11),  # (100 - 10) // 4 processes // 2 pools
        ({"concurrent_requests": 1000, "health_checks": True}, 10),  # (22 - 2) // 2 pools
        ({"workers": 45, "replicas": 1, "health_checks": True}, 1),
        ({"workers": 4}, 5),
        ({"workers": 45, "replicas": 1}, 1),  # exactly two connections for a process
        ({"workers": 46, "replicas": 1}, 0),  # does not fit
        ({"max_connections": 5}, 0),
        ({"concurrent_requests": 1000, "max_connections": None}, 500),
    ],
)
def test_the_pool_is_as_large_as_wanted_or_as_fits(changed: dict[str, Any], size: int) -> None:
    assert pools.pool_size(**{**DEFAULTS, **changed}) == size


@pytest.mark.parametrize(
    ("requests", "queries", "workers", "replicas", "limit", "checks"),
    list(product([1, 20, 500], [1, 3], [1, 2, 9], [1, 4], [12, 30, 100, 151, 1000], [0, 2])),
)
def test_the_fleet_never_takes_more_than_the_server_has(
    requests: int, queries: int, workers: int, replicas: int, limit: int, checks: int
) -> None:
    size = pools.pool_size(
        concurrent_requests=requests,
        queries_per_request=queries,
        workers=workers,
        replicas=replicas,
        max_connections=limit,
        health_checks=checks > 0,
    )

    if size > 1 or not checks:  # one is what is left, however few there are
        of_process = 2 * (size + pools.MAX_OVERFLOW) + (checks if size else 0)
        assert of_process * workers * replicas <= max(0, limit - 10)
    fits = pools.fleet_problem(limit, workers=workers, replicas=replicas) == ""
    assert fits == (size >= 1)


def test_a_fleet_that_does_not_fit_is_refused_with_the_arithmetic() -> None:
    problem = pools.fleet_problem(100, workers=16, replicas=4)

    assert "16 workers x 4 replicas = 64 processes" in problem
    assert "2 x 64 + 10 = 138, more than 100" in problem
    assert problem.startswith("Raise max_connections to 138")
    short = pools.fleet_problem(100, workers=16, replicas=4, whole=False)
    assert short == "It takes 138 or more."
    assert pools.fleet_problem(138, workers=16, replicas=4) == ""


@pytest.mark.parametrize(
    ("workers", "ask", "default"), [(2, True, 100), (64, True, 138), (64, False, 100)]
)
def test_the_default_fits_where_somebody_is_asked(workers: int, ask: bool, default: int) -> None:  # noqa: FBT001
    assert pools.default_max_connections(100, workers=workers, replicas=1, ask=ask) == default


@pytest.mark.parametrize(("count", "accepted"), [(0, False), (1, True), (9, True), (10, False)])
def test_a_count_has_limits(count: int, accepted: bool) -> None:  # noqa: FBT001
    problem = pools.count_problem(count, 9)

    assert problem == ("" if accepted else "Whole numbers, 1 to 9.")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"database_driver": "asyncpg"}, "11 0"),
        ({"database_driver": "aiosqlite"}, "500 0"),
    ],
)
def test_templates_see_the_sizes(changed: dict[str, Any], expected: str) -> None:
    answers = {**DEFAULTS, "concurrent_requests": 1000, **changed}

    assert rendered("{{ pool_size }} {{ max_overflow }}", **answers) == expected


@pytest.mark.parametrize("changed", [{"workers": 0}, {"workers": "many"}, {"workers": None}])
def test_before_valid_answers_there_are_no_sizes(changed: dict[str, Any]) -> None:
    assert rendered("{{ pool_size is defined }}", **{**DEFAULTS, **changed}) == "False"
