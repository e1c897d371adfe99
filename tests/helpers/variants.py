"""The variants: combinations of the options, and a few that have every pair."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

# Each option's answers by the label that a variant's name shows. The first is the default.
OPTIONS: dict[str, dict[str, Any]] = {
    "database_driver": {
        "asyncpg": "asyncpg",
        "psycopg": "psycopg",
        "aiosqlite": "aiosqlite",
        "asyncmy": "asyncmy",
    },
    "http_client": {"httpx2": "httpx2", "aiohttp": "aiohttp", "none": "none"},
    "orjson": {"orjson": True, "json": False},
    "health_checks": {"health": True, "nohealth": False},
    "example": {"example": True, "noexample": False},
    "fast_paths": {"plain": False, "fast": True},
    "auth": {"noauth": "none", "oidc": "oidc"},
    "telemetry": {"prometheus": "prometheus", "otlp": "otlp", "silent": "none"},
    "deploy": {"container": "container", "kubernetes": "kubernetes", "nodeploy": "none"},
}
UNNAMED = {"example", "plain", "noauth", "prometheus", "container"}
"""Labels that a variant's name leaves out."""

REFUSED = ({"aiosqlite", "kubernetes"},)
"""Labels that the questions do not let stand together."""


@dataclass(frozen=True)
class Variant:
    """One combination of the options."""

    labels: tuple[str, ...]

    def __str__(self) -> str:
        return "-".join(label for label in self.labels if label not in UNNAMED)

    @property
    def core(self) -> bool:
        """Whether it has the example and nothing beside it."""
        return set(self.labels) >= UNNAMED

    @property
    def answers(self) -> dict[str, Any]:
        """The answers that render it."""
        return {
            option: answers[label]
            for (option, answers), label in zip(OPTIONS.items(), self.labels, strict=True)
        }

    @property
    def pairs(self) -> set[tuple[tuple[int, str], ...]]:
        """Every pair of labels, each with its option's place."""
        return set(combinations(enumerate(self.labels), 2))


def every() -> list[Variant]:
    """Return every variant, the default first.

    The last option varies slowest: variants side by side differ in their dependencies, so workers
    that start together do not wait for the same environment.
    """
    reversed_labels = product(*(list(answers) for answers in reversed(OPTIONS.values())))
    variants = [Variant(tuple(reversed(labels))) for labels in reversed_labels]
    return [
        variant
        for variant in variants
        if not any(refused <= set(variant.labels) for refused in REFUSED)
    ]


def full() -> list[Variant]:
    """Return every variant of the core, and of the others few that have every pair."""
    variants = every()
    return [variant for variant in variants if variant.core] + _few(
        [variant for variant in variants if not variant.core]
    )


def pairwise() -> list[Variant]:
    """Return few variants that between them have every pair of answers to two options."""
    return _few(full())


def drivers() -> list[Variant]:
    """Return the first variant of each driver among the few."""
    first: dict[str, Variant] = {}
    for variant in pairwise():
        first.setdefault(variant.labels[0], variant)
    return list(first.values())


def _few(candidates: list[Variant]) -> list[Variant]:
    uncovered = set().union(*(variant.pairs for variant in candidates))
    chosen = []
    while uncovered:
        best = max(candidates, key=lambda variant: len(variant.pairs & uncovered))
        chosen.append(best)
        uncovered -= best.pairs
    return chosen


def select(expression: str) -> list[Variant]:
    """Return the variants of `--variants`: full, pairwise, default, or names joined by commas.

    Raises:
        ValueError: there is no such variant.
    """
    match expression:
        case "full":
            return full()
        case "pairwise":
            return pairwise()
        case "default":
            return full()[:1]
    return list(_named(expression.split(",")))


def _named(names: Iterable[str]) -> Iterable[Variant]:
    known = {str(variant): variant for variant in every()}
    for name in names:
        if name not in known:
            message = f"no variant {name!r}; there are full, pairwise, default, {', '.join(known)}"
            raise ValueError(message)
        yield known[name]
