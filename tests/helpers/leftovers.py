"""Words that must not be left in a service whose options are off."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.helpers.service import Service

JINJA = re.compile(r"(?<!\$)\{\{|\{%|# ?\{#")
"""`${{` is GitHub's."""

DRIVERS = {
    "asyncpg": r"asyncpg",
    "psycopg": r"psycopg",
    "aiosqlite": r"sqlite",
    "asyncmy": r"asyncmy|mysql|mariadb",
}

OPTIONAL: dict[str, tuple[str, str | tuple[str, ...]]] = {
    "orjson": (r"orjson", ""),
    # `--health-cmd` and healthcheck.sh are Docker's, of a database that CI starts, and
    # `worker_healthcheck` is the server's, of its own processes.
    "health_checks": (
        r"(?<!--)\bhealth(?!check\.sh)|(?<!worker)_health|readiness|liveness|\bprobe",
        "",
    ),
    # Samples in docs/ and rules/ go on speaking of users and orders.
    "example": (
        r"\busers/|\borders/|/users\b|/orders\b|(?-i:\b(User|Order)s?([A-Z]|\b(?! )))|\bseed",
        ("src/", "tests/", "scripts/", "README.md"),
    ),
    "fast_paths": (r"\bfast(/|_|\.py)|\.fast\b|\bfast path|compiled once", ""),
}
"""What a yes or no leaves out: a pattern of words, and where they must not be."""

# The answers file names the options by right.
EXEMPT = frozenset({".copier-answers.yml"})


def forbidden(answers: Mapping[str, Any]) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Yield (pattern of words, where they must not be: what the file's path begins with)."""
    for driver, words in DRIVERS.items():
        if driver != answers["database_driver"]:
            yield words, ""
    if answers["database_driver"] not in {"asyncpg", "psycopg"}:
        yield r"postgres|pgserver|\bpg_", ""
    if answers["http_client"] != "aiohttp":
        yield r"aiohttp", ""
    if answers["http_client"] != "httpx2":
        yield r"httpx", "src/"  # every service is tested with httpx2
    if answers["http_client"] == "none":
        yield r"upstream|outbound", ""
    for option, found in OPTIONAL.items():
        if not answers[option]:
            yield found


def leftovers(service: Service) -> list[str]:
    """Return the lines that speak of an option that is off, each with its place."""
    found = []
    for words, prefix in forbidden(service.answers):
        pattern = re.compile(words, re.IGNORECASE)
        for file in sorted(service.files - EXEMPT):
            if not file.startswith(prefix):
                continue
            lines = [file, *service.text(file).splitlines()]
            found += [
                f"{file}:{number}: {line.strip()}"
                for number, line in enumerate(lines)
                if pattern.search(line)
            ]
    return found
