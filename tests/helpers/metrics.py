"""What a running service tells of itself at its metrics port."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

from tests.helpers.process import Process, eventually

CONNECTION = "db_client_connection"
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Sample:
    """One value of a metric."""

    name: str
    labels: dict[str, str]
    value: float


class Metrics:
    """All metrics at one time."""

    def __init__(self, port: int) -> None:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            text = response.read().decode()
        self.samples = [
            Sample(name, dict(LABEL.findall(labels)), float(value))
            for name, labels, value in SAMPLE.findall(text)
        ]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over the labels that are not given."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@dataclass(frozen=True)
class Window:
    """What has happened between two times."""

    before: Metrics
    after: Metrics

    def growth(self, name: str, **labels: str) -> float:
        """Return how much a counter has grown."""
        return self.after.total(name, **labels) - self.before.total(name, **labels)

    def mean(self, histogram: str, **labels: str) -> float:
        """Return the mean of what was observed."""
        count = self.growth(f"{histogram}_count", **labels)
        return self.growth(f"{histogram}_sum", **labels) / count if count else 0

    def above(self, limit: str, histogram: str, **labels: str) -> float:
        """Return the share of what was observed that is more than a limit."""
        count = self.growth(f"{histogram}_count", **labels)
        below = self.growth(f"{histogram}_bucket", le=limit, **labels)
        return 1 - below / count if count else 0

    def held(self) -> float:
        """Return how long a session had its connection."""
        uses = self.growth(f"{CONNECTION}_uses_total")
        return self.growth(f"{CONNECTION}_use_seconds_total") / uses if uses else 0

    def waited(self) -> float:
        """Return the share of sessions that waited more than 100 ms for their connection."""
        uses = self.growth(f"{CONNECTION}_uses_total")
        waits = self.growth(f"{CONNECTION}_wait_time_seconds_count")
        short = self.growth(f"{CONNECTION}_wait_time_seconds_bucket", le="0.1")
        return (waits - short) / uses if uses else 0


def answers(port: int) -> bool:
    """Say whether there are metrics."""
    try:
        Metrics(port)
    except (URLError, OSError):
        return False
    return True


@contextmanager
def paced(
    process: Process, rate: float, method: str, path: str, body: object = None
) -> Iterator[None]:
    """Send so many requests a second, however long the answers take."""
    over = threading.Event()

    def send() -> None:
        started = time.monotonic()
        with ThreadPoolExecutor(40) as pool:
            number = 0
            while not over.wait(max(0, started + number / rate - time.monotonic())):
                pool.submit(process.request, method, path, body)
                number += 1

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


def watched(port: int, seconds: float) -> Window:
    """Return what happens in some seconds."""
    before = Metrics(port)
    time.sleep(seconds)
    return Window(before, Metrics(port))


def await_metrics(port: int) -> None:
    """Wait until there are metrics."""
    eventually(lambda: answers(port))
