"""The files of a service, written out: what `_exclude` leaves is compared with this table."""

from collections.abc import Mapping
from typing import Any

COMMON = """
    .copier-answers.yml
    .gitignore
    pyproject.toml
    src/{package}/__init__.py
"""

# Files that need answers: every answer named must be one of those listed.
OWNED: tuple[tuple[Mapping[str, tuple[Any, ...]], str], ...] = (
    (
        {"health_checks": (True,)},
        """
        src/{package}/health/__init__.py
        """,
    ),
    (
        {"http_client": ("httpx2", "aiohttp")},
        """
        src/{package}/upstream/__init__.py
        """,
    ),
)


def expected_files(answers: Mapping[str, Any]) -> set[str]:
    """Return the paths of all files that a service of these answers has."""
    files = COMMON
    for needed, owned in OWNED:
        if all(answers[option] in accepted for option, accepted in needed.items()):
            files += owned
    return set(files.replace("{package}", answers["package_name"]).split())
