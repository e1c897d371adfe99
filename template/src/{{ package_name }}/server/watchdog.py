"""Logs what blocks the event loop."""

import asyncio
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import structlog

BLOCKED_SECONDS = 0.1
"""A loop that reacts later than this was blocked."""

END_AFTER = "END_BLOCKED_PROCESS_AFTER"
"""The environment variable with the seconds after which a process whose loop is blocked ends: a
worker has it, since its supervisor starts another."""

log = structlog.get_logger()


@contextmanager
def watched_event_loop() -> Iterator[None]:
    """Log what the event loop is at whenever it is blocked, and all requests wait."""
    stop = threading.Event()
    arguments = (asyncio.get_running_loop(), threading.get_ident(), stop)
    threading.Thread(target=_watch, args=arguments, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        # The thread is not waited for: it may wait for this loop.
        stop.set()


def _watch(loop: asyncio.AbstractEventLoop, thread: int, stop: threading.Event) -> None:
    end_after = float(os.environ.get(END_AFTER, "inf"))
    while not stop.wait(BLOCKED_SECONDS):
        reacted = threading.Event()
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(reacted.set)
        since, is_told = time.monotonic(), False
        while not (reacted.wait(BLOCKED_SECONDS) or stop.is_set()):
            if time.monotonic() - since > end_after:
                os._exit(1)
            if is_told or not loop.is_running():
                continue
            # Nothing else shows the stack of another thread.
            frame = sys._current_frames()[thread]  # noqa: SLF001 - CPython documents this function
            if not is_of_the_loop(frame):
                log.warning("event loop blocked", stack="".join(traceback.format_stack(frame)))
                is_told = True


def is_of_the_loop(frame: FrameType) -> bool:
    """Say whether the loop runs code, or only waits: on a busy host it may react late, too."""
    if frame.f_globals.get("__name__") == "selectors" and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_globals.get("__name__", "").partition(".")[0] in {"asyncio", "uvicorn"}
