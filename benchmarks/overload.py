"""Three times the requests that a pool can serve, sent at a fixed rate whatever the answers are.

A client that waits for its answer before it sends the next request cannot overload anything; this
one opens a new connection for each request, as many people do who know nothing of each other.
"""

import asyncio
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from statistics import quantiles

POOL_SIZE = 5
CAPACITY = 100
"""Requests a second that the pool can serve, at 50 ms each."""

OFFERED = 3 * CAPACITY
SECONDS = 10
PROBE_SECONDS = 0.1
"""Between two looks at the liveness."""


@dataclass
class Outcome:
    """What became of the requests: the seconds that each took, by status."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    liveness: list[float] = field(default_factory=list)
    recovery: float = 0
    """Seconds from the last request of the overload until one is served as if it was alone."""

    def p99(self, status: HTTPStatus) -> float:
        """Return the milliseconds that all but 1 % stay below."""
        times = self.seconds.get(status, [])
        return quantiles(times, n=100)[-1] * 1000 if len(times) > 1 else float("nan")

    @property
    def served(self) -> float:
        """Requests a second that got what they asked for."""
        return len(self.seconds.get(HTTPStatus.OK, [])) / SECONDS

    @property
    def summary(self) -> str:
        refused = self.p99(HTTPStatus.SERVICE_UNAVAILABLE)
        return f"{self.served:.0f}/s of {CAPACITY}, refused in {refused:.1f} ms"

    def __str__(self) -> str:
        others = {status: len(times) for status, times in self.seconds.items()}
        return (
            f"served {self.served:.0f}/s of {CAPACITY}, p99 {self.p99(HTTPStatus.OK):.0f} ms; "
            f"refused p99 {self.p99(HTTPStatus.SERVICE_UNAVAILABLE):.1f} ms; "
            f"liveness at most {max(self.liveness) * 1000:.0f} ms; "
            f"recovered after {self.recovery:.2f} s; answers {others}"
        )


async def overload(port: int) -> Outcome:
    """Send too many requests for some seconds, and look how the service takes it."""
    outcome = Outcome()

    async def send() -> None:
        status, seconds = await get(port, "/slow")
        outcome.seconds.setdefault(status, []).append(seconds)

    async def watch() -> None:
        while True:
            outcome.liveness.append((await get(port, "/health/live"))[1])
            await asyncio.sleep(PROBE_SECONDS)

    await get(port, "/slow")
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch())
        start = time.perf_counter()
        for number in range(OFFERED * SECONDS):
            await asyncio.sleep(start + number / OFFERED - time.perf_counter())
            group.create_task(send())
        end = time.perf_counter()
        while True:
            status, seconds = await get(port, "/slow")
            if status == HTTPStatus.OK and seconds < 2 / CAPACITY * POOL_SIZE:
                break
        outcome.recovery = time.perf_counter() - end - seconds
        watcher.cancel()
    return outcome


async def get(port: int, path: str) -> tuple[int, float]:
    """Send a request on a connection of its own; return the status and the seconds it took."""
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split(maxsplit=2)[1]), time.perf_counter() - start
