"""The shutdown: first load balancers are told, then the listeners close, then the process ends."""

import asyncio
import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Self

STOP_SECONDS = 0.5
"""The time for running requests when the process is told to stop at once."""

SHUTDOWN_SECONDS = 23
"""The time for running requests after the listeners have closed: together with ``DRAIN_SECONDS`` it
is less than the 30 s that Kubernetes and others wait by default."""

END_SECONDS = 2
"""The time for closing everything after that; then an alarm ends the process, even if code blocks
it."""


@dataclass
class Drain:
    """Whether this process is shutting down.

    A server closes its listeners as soon as it gets SIGTERM, when load balancers still send
    requests to it. So this handles the signal first: ``draining`` becomes true, requests are served
    for some seconds more, and only then the server gets the signal. After SIGINT or a second
    SIGTERM it does not wait, and cancels running requests after ``STOP_SECONDS``.
    """

    draining: bool = False

    @classmethod
    @contextmanager
    def installed(cls, seconds: float) -> Iterator[Self]:
        """Handle signals before the server that runs this event loop.

        Where there is no such server, as in a test or a thread, no signal handler is changed.
        """
        drain = cls()
        handlers = _handlers_of_server()
        loop = asyncio.get_running_loop()

        def hand_over(number: int, *, after: float) -> None:
            # A signal arrives between any two instructions, those of the event loop included.
            loop.call_soon_threadsafe(loop.call_later, after, handlers[number], number, None)

        def on_signal(number: int, frame: FrameType | None) -> None:
            is_first, drain.draining = not drain.draining, True
            if is_first and number == signal.SIGTERM:
                end_after(seconds + SHUTDOWN_SECONDS + END_SECONDS)
                hand_over(number, after=seconds)
            else:
                end_after(20 * STOP_SECONDS)
                handlers[number](number, frame)
                # uvicorn takes SIGINT after another signal as the order to abandon what runs.
                hand_over(signal.SIGINT, after=STOP_SECONDS)

        def on_orphaned(sentinel: int) -> None:
            # The supervisor can send no signal any more, and its successor waits for the port.
            loop.remove_reader(sentinel)
            drain.draining = True
            end_after(SHUTDOWN_SECONDS + END_SECONDS)
            handlers[signal.SIGTERM](signal.SIGTERM, None)

        with ExitStack() as stack:
            for number, handler in handlers.items():
                signal.signal(number, on_signal)
                stack.callback(signal.signal, number, handler)
            supervisor = multiprocessing.parent_process()
            if handlers and supervisor and sys.platform != "win32":
                loop.add_reader(supervisor.sentinel, on_orphaned, supervisor.sentinel)
                stack.callback(loop.remove_reader, supervisor.sentinel)
            yield drain


def end_after(seconds: float) -> None:
    """Let an alarm end this process, unless it has ended by then."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _handlers_of_server() -> dict[int, Any]:
    in_main_thread = threading.current_thread() is threading.main_thread()
    # Python itself handles SIGINT, but SIGTERM only where a server does.
    if not (in_main_thread and callable(signal.getsignal(signal.SIGTERM))):
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
