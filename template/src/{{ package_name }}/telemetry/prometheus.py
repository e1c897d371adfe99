"""Metrics for Prometheus, by prometheus-client."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    multiprocess,
    start_http_server,
)
from prometheus_client.registry import Collector

Measure = Callable[[float], None]
Labelled = Callable[..., Measure]
"""Takes the values of the labels; what it returns is made once and called often."""


def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Labelled:
    """Make a histogram of seconds."""
    metric = Histogram(f"{_plain(name)}_seconds", text, _plain_all(labels), buckets=buckets)
    return lambda *values: (metric.labels(*values) if values else metric).observe


def counter(name: str, text: str, *labels: str) -> Labelled:
    """Make a counter; its name ends with ``_total`` when it is asked for."""
    metric = Counter(_plain(name), text, _plain_all(labels))
    return lambda *values: (metric.labels(*values) if values else metric).inc


def gauge(name: str, text: str, *labels: str) -> Labelled:
    """Make a gauge that is the sum of the processes that live."""
    metric = Gauge(_plain(name), text, _plain_all(labels), multiprocess_mode="livesum")
    return lambda *values: (metric.labels(*values) if values else metric).set


def _plain(name: str) -> str:
    return name.replace(".", "_")


def _plain_all(labels: Iterable[str]) -> list[str]:
    return [_plain(label) for label in labels]


class Processes(Collector):
    """The sums of all processes that write to a folder; those that have ended count no more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Read the files of the processes."""
        untyped: Any = multiprocess
        for pid in {int(file.stem.rpartition("_")[2]) for file in self._folder.glob("gauge_*.db")}:
            if not _lives(pid):
                untyped.mark_process_dead(pid, str(self._folder))
        sums = untyped.MultiProcessCollector(None, str(self._folder)).collect()
        return cast(Iterable[Metric], sums)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # by now it is that of another user
        return False
    return True


@contextmanager
def served(host: str, port: int, folder: Path | None = None) -> Iterator[int]:
    """Serve the metrics of this process, or of a folder, from a thread; provide the port."""
    registry = REGISTRY if folder is None else CollectorRegistry()
    if folder is not None:
        registry.register(Processes(folder))
    server, thread = start_http_server(port, host, registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
