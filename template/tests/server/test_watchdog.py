import asyncio
import json
import threading
import time
from types import SimpleNamespace

import pytest

from {{ package_name }}.lifespan import open_state
from {{ package_name }}.server import watchdog
from {{ package_name }}.server.logs import configure_logging
from {{ package_name }}.settings import Settings


@pytest.fixture(autouse=True)
def _watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "BLOCKED_SECONDS", 0.1)


def block(until: threading.Event) -> None:
    until.wait(30)
    # It goes on when it has been told.
    time.sleep(5 * watchdog.BLOCKED_SECONDS)


async def test_what_blocks_the_event_loop_is_logged(
    settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = watchdog.log
    told = threading.Event()
    ends: list[int] = []

    def warning(event: str, *, stack: str) -> None:
        log.warning(event, stack=stack)
        if "in block" in stack:
            told.set()

    monkeypatch.setattr(watchdog, "log", SimpleNamespace(warning=warning))
    monkeypatch.setenv(watchdog.END_AFTER, str(2 * watchdog.BLOCKED_SECONDS))
    monkeypatch.setattr("os._exit", ends.append)
    configure_logging("INFO")
    async with open_state(settings):
        block(told)

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    stacks = [line["stack"] for line in lines if line["event"] == "event loop blocked"]
    assert len([stack for stack in stacks if "in block" in stack]) == 1
    assert {*ends} == {1}


def deaf_loop(module: str) -> asyncio.AbstractEventLoop:
    """Make a loop that does not react to other threads, like one without a processor."""
    sample = pytest.importorskip(module).new_event_loop()
    sample.close()
    members = {"call_soon_threadsafe": ignore}
    loop: asyncio.AbstractEventLoop = type("Deaf", (type(sample),), members)()
    return loop


def ignore(*_: object, **__: object) -> None:
    pass


@pytest.mark.parametrize("module", ["asyncio", "uvloop"])
def test_a_loop_that_only_waits_is_not_blamed(
    capfd: pytest.CaptureFixture[str], module: str
) -> None:
    async def wait() -> None:
        with watchdog.watched_event_loop():
            await asyncio.sleep(4 * watchdog.BLOCKED_SECONDS)

    configure_logging("INFO")
    with asyncio.Runner(loop_factory=lambda: deaf_loop(module)) as runner:
        runner.run(wait())

    assert capfd.readouterr().out == ""
