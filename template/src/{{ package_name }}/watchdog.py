"""Tells what blocks the event loop."""

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

BLOCKED_SECONDS = 0.1
"""A loop that reacts later than this was blocked."""

log = structlog.get_logger()


@contextmanager
def watched_event_loop() -> Iterator[None]:
    """Log what the event loop is at whenever it is blocked.

    All requests wait meanwhile, and nothing else would tell which of them is to blame.
    """
    stop = threading.Event()
    arguments = (asyncio.get_running_loop(), threading.get_ident(), stop)
    threading.Thread(target=_watch, args=arguments, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        # The thread is not waited for: it may wait for this loop.
        stop.set()


def _watch(loop: asyncio.AbstractEventLoop, thread: int, stop: threading.Event) -> None:
    while not stop.wait(BLOCKED_SECONDS):
        reacted = threading.Event()
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(reacted.set)
        if reacted.wait(BLOCKED_SECONDS) or not loop.is_running():
            continue
        stack = traceback.format_stack(sys._current_frames()[thread])  # noqa: SLF001 - no other way
        log.warning("event loop blocked", stack="".join(stack))
        while not (reacted.wait(BLOCKED_SECONDS) or stop.is_set()):
            pass
