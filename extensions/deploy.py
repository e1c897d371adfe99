"""Deployment: the times, sizes and names in the files of a container and of Kubernetes.

Context: `deployment`, a `Deployment`. Jinja filter: `dockerfile_string`; globals:
`pods_problem`, `sqlite_problem`.

The times follow from the defaults of the service. On SIGTERM it goes on for `DRAIN_SECONDS`, and
has ended `CLOSING_SECONDS` later at the latest.

    stop_grace_seconds = drain + closing                for a container
    grace_seconds      = pre_stop + drain + 30          for a pod, whose 30 are more than closing

The answer to `replicas` is how many pods there are at one time, at most. While a new version rolls
out there is one more than serve, and one that leaves has its connections until it has ended:

    most_pods = replicas - 2

This file imports nothing from its siblings: on `copier update` the old and the new version of it
run in one process, and a sibling would be served from the wrong one's module cache.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from copier_template_extensions import ContextHook

if TYPE_CHECKING:
    from jinja2 import Environment

DRAIN_SECONDS = 5
"""The default of the setting."""
CLOSING_SECONDS = 25
"""What a service may take after that, by its docs/operations.md."""
PRE_STOP_SECONDS = 5
"""How long Kubernetes waits with SIGTERM, until its proxies route nothing to the pod any more."""
GRACE_AFTER_DRAIN_SECONDS = 30

FEWEST_PODS = 2
"""So that one serves when the other is moved or lost."""
ROLLOUT_PODS = 2
"""One that a rollout adds, and one that leaves."""

SUPERVISOR_MEMORY = 64
"""MiB of the process that runs the workers."""
WORKER_MEMORY = 192
"""MiB of a worker: about 100 after its start, and what its requests take."""
WORKER_MILLICPU = 500
"""Of a processor, that a worker is promised."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What the files of a container and the manifests need to know."""

    name: str
    """A label of DNS, which names of Kubernetes have to be."""
    drain_seconds: int
    stop_grace_seconds: int
    pre_stop_seconds: int
    grace_seconds: int
    fewest_pods: int
    most_pods: int
    memory: int
    """MiB."""
    millicpu: int


def deployment(*, package_name: str, workers: int, replicas: int) -> Deployment:
    """Return the names and numbers that follow from the answers."""
    return Deployment(
        name=package_name.replace("_", "-").strip("-"),
        drain_seconds=DRAIN_SECONDS,
        stop_grace_seconds=DRAIN_SECONDS + CLOSING_SECONDS,
        pre_stop_seconds=PRE_STOP_SECONDS,
        grace_seconds=PRE_STOP_SECONDS + DRAIN_SECONDS + GRACE_AFTER_DRAIN_SECONDS,
        fewest_pods=FEWEST_PODS,
        most_pods=replicas - ROLLOUT_PODS,
        memory=(SUPERVISOR_MEMORY if workers > 1 else 0) + WORKER_MEMORY * workers,
        millicpu=WORKER_MILLICPU * workers,
    )


def pods_problem(replicas: int, *, whole: bool = True) -> str:
    """Say why Kubernetes needs more pods, or nothing.

    In an interview, where a line of a terminal has to hold it, it is not the `whole` reason.
    """
    needed = FEWEST_PODS + ROLLOUT_PODS
    if replicas >= needed:
        return ""
    advice = f"Type {needed} or more."
    if not whole:
        return advice
    return (
        f"{advice} On Kubernetes there are {FEWEST_PODS} that serve at least, one that a rollout "
        "adds, and one that leaves while it does."
    )


def sqlite_problem(*, whole: bool = True) -> str:
    """Say why there are no manifests for SQLite."""
    if not whole:
        return "not with SQLite"
    return (
        "Answer container, or choose another database: SQLite is a file on one machine, and "
        "Kubernetes moves a service from machine to machine."
    )


def dockerfile_string(text: str) -> str:
    """Return `text` as a quoted value of a Dockerfile, where `$` begins a variable."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")


class DeployExtension(ContextHook):
    """Adds the filter and the globals, and `deployment` once its answers are known."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["dockerfile_string"] = dockerfile_string
        environment.globals["pods_problem"] = pods_problem
        environment.globals["sqlite_problem"] = sqlite_problem

    def hook(self, context: dict[str, Any]) -> None:
        """Add `deployment` to the context."""
        workers, replicas = context.get("workers"), context.get("replicas")
        # Not every answer has been validated when a question is rendered.
        if not isinstance(workers, int) or "package_name" not in context:
            return
        context["deployment"] = deployment(
            package_name=str(context["package_name"]),
            workers=workers,
            replicas=replicas if isinstance(replicas, int) else 1,
        )
