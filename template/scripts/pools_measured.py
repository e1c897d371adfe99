"""What the metrics of a running service say of its pools."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from {{ package_name }}.settings import Settings

HEADROOM = 1.5
"""The half on top is for bursts."""

MUCH_USED = {{ limits.pool_used }}
LONG_WAIT = {{ limits.wait }}
"""Where the alerts begin."""

LONG_HELD = 0.1
"""A pool whose connections are held for longer serves few requests, whatever its size."""

PREFIX = "db_client_connection"


@dataclass(frozen=True, kw_only=True)
class Use:
    """How a pool was used, by all workers of a machine together; times are in seconds."""

    pool: str
    most: float
    used: float
    """Connections in use at a time, on average."""
    open_now: float
    rate: float
    """How many sessions a second gave one back."""
    wait: float
    """How long 95 of 100 waited for one, at most."""
    refused: float

    @property
    def held(self) -> float:
        """How long a session has its connection, by Little's law: used = rate * held."""
        return self.used / self.rate if self.rate else 0

    @property
    def needed(self) -> float:
        """What would be in use if nobody was refused."""
        return self.used + self.refused * self.held


class Metrics:
    """What a service told at one time."""

    def __init__(self, url: str) -> None:
        try:
            text = httpx2.get(url).raise_for_status().text
            families = list(text_string_to_metric_families(text))
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            message = f"No metrics at {url}: {error!r}"
            raise SystemExit(message) from None
        self._samples = [sample for family in families for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over the labels that are not given."""
        return sum(sample.value for sample in self._of(name, labels))

    def at_most(self, histogram: str, **labels: str) -> dict[float, float]:
        """Return how many observations are at most so large."""
        buckets = self._of(f"{histogram}_bucket", labels)
        return {float(sample.labels["le"]): sample.value for sample in buckets}

    def _of(self, name: str, labels: Mapping[str, str]) -> list[Sample]:
        of_name = [sample for sample in self._samples if sample.name == name]
        return [sample for sample in of_name if labels.items() <= sample.labels.items()]


# {% if driver.sqlite %}
def watch(settings: Settings, url: str, seconds: float) -> list[str]:
# {% else %}
def watch(settings: Settings, url: str, seconds: float, largest: int | None) -> list[str]:
# {% endif %}
    """Print what is measured for some seconds, and return what is to be changed."""
    before = Metrics(url)
    time.sleep(seconds)
    after = Metrics(url)
    uses = [compare(before, after, pool, seconds) for pool in ("read", "write")]
    if not any(use.most for use in uses):
        message = f"The metrics at {url} are not those of this service"
        raise SystemExit(message)
    for use in uses:
        print(
            f"{use.pool}: {use.rate:.1f} sessions a second * {use.held * 1000:.1f} ms each"
            f" = {use.used:.1f} of {use.most:g} connections in use, and {use.open_now:g} now.\n"
            f"95 of 100 waited {use.wait * 1000:g} ms at most, {use.refused:.1f} a second in vain."
        )
    # {% if driver.sqlite %}
    return [change for use in uses if (change := advise(use, settings))]
    # {% else %}
    return [change for use in uses if (change := advise(use, settings, largest))]
    # {% endif %}


def compare(before: Metrics, after: Metrics, pool: str, seconds: float) -> Use:
    """Return what has happened in between."""
    of_pool = {f"{PREFIX}_pool_name": pool}

    def growth(name: str) -> float:
        name = f"{PREFIX}_{name}"
        return after.total(name, **of_pool) - before.total(name, **of_pool)

    sessions = growth("uses_total")
    at_once = sessions - growth("wait_time_seconds_count")
    earlier = before.at_most(f"{PREFIX}_wait_time_seconds", **of_pool)
    waits = [
        longest
        for longest, count in after.at_most(f"{PREFIX}_wait_time_seconds", **of_pool).items()
        if at_once + count - earlier.get(longest, 0) >= 0.95 * sessions
    ]
    used = {f"{PREFIX}_state": "used"}
    return Use(
        pool=pool,
        most=after.total(f"{PREFIX}_max", **of_pool),
        used=growth("use_seconds_total") / seconds,
        open_now=after.total(f"{PREFIX}_count", **of_pool, **used),
        rate=sessions / seconds,
        wait=0 if at_once >= 0.95 * sessions else min(waits),
        refused=growth("timeouts_total") / seconds,
    )


# {% if driver.sqlite %}
def advise(use: Use, settings: Settings) -> str:
# {% else %}
def advise(use: Use, settings: Settings, largest: int | None) -> str:
# {% endif %}
    """Say what to change for a pool, or nothing."""
    # {% if driver.sqlite %}
    if use.pool == "write" and use.used >= MUCH_USED:
        return (
            f"write: {use.used:.1f} transactions are open or wait at a time, and one can write."
            " Make them shorter, or fewer with more in each; a larger pool changes nothing."
        )
    # {% endif %}
    if not use.rate and use.open_now >= MUCH_USED * use.most:
        return (
            f"{use.pool}: {use.open_now:g} connections are in use, and none came back in that time."
            " Find what holds them: a lock, a slow statement, a call of another service."
        )
    if use.used < MUCH_USED * use.most:
        if use.wait <= LONG_WAIT and not use.refused:
            return ""
        return (
            f"{use.pool}: requests wait while {use.most - use.used:.1f} connections are free on"
            " average. They come in bursts, which a larger DATABASE_POOL_SIZE takes, or the event"
            " loop is busy or blocked, which its delay and the log tell."
        )
    if use.held > LONG_HELD:
        return (
            f"{use.pool}: a session holds its connection for {use.held * 1000:.0f} ms. Find the"
            " statement that is slow, or the call of another service in the middle; a larger pool"
            " would only let more of them wait inside the server."
        )
    wanted = math.ceil(use.needed / settings.workers * HEADROOM) - settings.database_max_overflow
    wanted = max(settings.database_pool_size + 1, wanted)
    # {% if not driver.sqlite %}
    if largest is not None and wanted > largest:
        return (
            f"{use.pool}: {wanted} connections in a worker's pool would do, and the server has"
            f" room for {largest}. Raise its limit, or hold connections for a shorter time."
        )
    # {% endif %}
    return (
        f"{use.pool}: DATABASE_POOL_SIZE={wanted}, since {use.needed:.1f} connections are needed"
        f" at a time: {use.needed:.1f} / {settings.workers} workers * {HEADROOM} for bursts."
    )
