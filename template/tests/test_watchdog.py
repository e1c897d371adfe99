import json
import threading
import time
from types import SimpleNamespace

import pytest

from {{ package_name }} import watchdog
from {{ package_name }}.lifespan import open_state
from {{ package_name }}.logs import OUTPUT, configure_logging
from {{ package_name }}.settings import Settings


def block(until: threading.Event) -> None:
    until.wait(30)
    # It goes on when it has been told.
    time.sleep(5 * watchdog.BLOCKED_SECONDS)


async def test_what_blocks_the_event_loop_is_logged(
    settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = watchdog.log
    told = threading.Event()

    def warning(event: str, *, stack: str) -> None:
        log.warning(event, stack=stack)
        if "in block" in stack:
            told.set()

    monkeypatch.setattr(watchdog, "log", SimpleNamespace(warning=warning))
    configure_logging("INFO")
    async with open_state(settings):
        block(told)
    OUTPUT.drain()

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    stacks = [line["stack"] for line in lines if line["event"] == "event loop blocked"]
    assert any("in block" in stack for stack in stacks)
