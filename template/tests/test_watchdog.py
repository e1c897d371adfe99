import asyncio
import json
import time

import pytest

from {{ package_name }}.lifespan import open_state
from {{ package_name }}.logs import OUTPUT, configure_logging
from {{ package_name }}.settings import Settings
from {{ package_name }}.watchdog import BLOCKED_SECONDS


def block() -> None:
    time.sleep(6 * BLOCKED_SECONDS)


async def test_what_blocks_the_event_loop_is_logged(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO")
    async with open_state(settings):
        block()
        await asyncio.sleep(BLOCKED_SECONDS)
    OUTPUT.drain()

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    stacks = [line["stack"] for line in lines if line["event"] == "event loop blocked"]
    assert any("in block" in stack for stack in stacks)
