"""Tells what blocks the event loop."""

import asyncio
import sys
import threading
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

BLOCKED_SECONDS = 0.1
"""A loop that reacts later than this was blocked."""

log = structlog.get_logger()


@asynccontextmanager
async def watched_event_loop() -> AsyncIterator[None]:
    """Log what the event loop is at whenever it is blocked.

    All requests wait meanwhile, and nothing else would tell which of them is to blame.
    """
    stop = threading.Event()
    arguments = (asyncio.get_running_loop(), threading.get_ident(), stop)
    watchdog = threading.Thread(target=_watch, args=arguments, name="watchdog", daemon=True)
    watchdog.start()
    try:
        yield
    finally:
        stop.set()
        await asyncio.to_thread(watchdog.join)


def _watch(loop: asyncio.AbstractEventLoop, thread: int, stop: threading.Event) -> None:
    while not stop.wait(BLOCKED_SECONDS):
        reacted = threading.Event()
        loop.call_soon_threadsafe(reacted.set)
        if not reacted.wait(BLOCKED_SECONDS) and loop.is_running():
            stack = traceback.format_stack(sys._current_frames()[thread])  # noqa: SLF001 - documented, for this use
            log.warning("event loop blocked", stack="".join(stack))
        reacted.wait()
