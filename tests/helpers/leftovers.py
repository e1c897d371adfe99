"""Words that must not be left in a service whose options are off."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.helpers.service import Service

JINJA = re.compile(r"(?<!\$)\{\{(?! \$|\w+\}\})|\{%|# ?\{#")
"""`${{` is GitHub's, `{{ $` that of Prometheus, and `{{name}}` that of Grafana."""

DRIVERS = {
    "asyncpg": r"asyncpg",
    "psycopg": r"psycopg",
    "aiosqlite": r"sqlite",
    "asyncmy": r"asyncmy|mysql|mariadb",
}

OPTIONAL: dict[str, tuple[str, str | tuple[str, ...]]] = {
    "orjson": (r"orjson", ""),
    # `--health-cmd` and healthcheck are Docker's, livenessProbe and readinessProbe those of
    # Kubernetes, and `worker_healthcheck` is the server's, of its own processes.
    "health_checks": (
        (
            r"(?<!--)\bhealth(?!check(\.sh|:| --))|(?<!worker)_health(?!y)"
            r"|(readi|live)ness(?!Probe:)|\bprobe"
        ),
        "",
    ),
    # Samples in docs/ and rules/ go on speaking of users and orders.
    "example": (
        (
            r"\busers/|\borders/|/users\b|/orders\b|(?-i:\b(User|Order)s?([A-Z]|\b(?! )))|\bseed"
            r"|\busers:(read|write)|scopes of the example"
        ),
        ("src/", "tests/", "scripts/", "README.md", "pyproject.toml"),
    ),
    "fast_paths": (r"\bfast(/|_|\.py)|\.fast\b|\bfast path|compiled once", ""),
}
"""What a yes or no leaves out: a pattern of words, and where they must not be."""

BELONGING = (
    ("database_driver", {"asyncpg", "psycopg"}, r"postgres|pgserver|\bpg_", ""),
    ("http_client", {"aiohttp"}, r"aiohttp", ""),
    ("http_client", {"httpx2"}, r"httpx", "src/"),  # every service is tested with httpx2
    ("http_client", {"httpx2", "aiohttp"}, r"upstream|outbound", ""),
    # A test of the other client sends credentials, to see that they are not passed on.
    ("auth", {"oidc"}, r"\bauth(_(?!user|key)|/)|oidc|openid|\bjwt|\bissuer|(?<!: \")bearer", ""),
    ("telemetry", {"prometheus"}, r"prometheus|grafana|metrics_(port|host)|\b9464\b", ""),
    ("telemetry", {"otlp"}, r"otlp|\botel_|\.otel\b|span_id|traceparent", ""),
    ("telemetry", {"prometheus", "otlp"}, r"telemetry/|\.telemetry\.|\bsampled\b", ""),
    ("deploy", {"container", "kubernetes"}, r"docker|\bcompose\b", ""),
    ("deploy", {"kubernetes"}, r"kubectl|kustomize|\bpods?\b|\bdeploy/(base|overlays)", ""),
)
"""A question, the answers one of which it takes, a pattern of words, and where they must not be."""

# The answers file names the options by right.
EXEMPT = frozenset({".copier-answers.yml"})


def forbidden(answers: Mapping[str, Any]) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Yield (pattern of words, where they must not be: what the file's path begins with)."""
    for driver, words in DRIVERS.items():
        if driver != answers["database_driver"]:
            yield words, ""
    for option, needed, words, prefix in BELONGING:
        if answers[option] not in needed:
            yield words, prefix
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
