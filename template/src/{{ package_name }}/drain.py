"""Leaving without losing a request: routers first, then the listeners, then the process."""

import asyncio
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Self

from starlette.datastructures import MutableHeaders
from starlette.types import Message

STOP_SECONDS = 0.5
"""What running requests have left when the process is told to stop at once."""

Handler = Callable[[int, FrameType | None], object]


class Drain:
    """Whether this process is leaving.

    A server closes its listeners as soon as it gets SIGTERM, while whoever routes requests to it
    has yet to learn that. So this stands before the server's handler: ``draining`` turns true,
    which tells whoever asks, requests are served for some seconds more, and only then the server
    gets the signal and finishes what runs. SIGINT, or a second SIGTERM, is for somebody who does
    not want to wait: the server closes its listeners at once, and abandons what still runs after
    ``STOP_SECONDS``.
    """

    def __init__(self) -> None:
        self.draining = False

    @classmethod
    @contextmanager
    def installed(cls, seconds: float) -> Iterator[Self]:
        """Stand before the signal handlers of the server that runs this event loop.

        Where there is no such server, as in a test or a thread, no signal is touched.
        """
        drain = cls()
        handlers = _handlers_of_server()
        if not handlers:
            yield drain
            return
        departure = _Departure(drain, seconds, handlers, asyncio.get_running_loop())
        for number in handlers:
            signal.signal(number, departure.on_signal)
        try:
            with departure.following_supervisor():
                yield drain
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def close_connection(self, response_start: Message) -> None:
        """Let a response ask its client to leave the connection, while draining.

        Otherwise the connection is kept, and cut when the listeners close, perhaps with a request
        on its way.
        """
        if self.draining:
            MutableHeaders(scope=response_start)["Connection"] = "close"


@dataclass(frozen=True, slots=True)
class _Departure:
    """The way from a signal to the server's handler of it."""

    drain: Drain
    seconds: float
    handlers: Mapping[int, Handler]
    loop: asyncio.AbstractEventLoop

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        first = not self.drain.draining
        self.drain.draining = True
        if first and number == signal.SIGTERM:
            self._hand_over_later(number, self.seconds)
        else:
            self._hand_over(number)
            # uvicorn takes SIGINT after another signal as the order to abandon what runs.
            self._hand_over_later(signal.SIGINT, STOP_SECONDS)

    def _hand_over_later(self, number: int, seconds: float) -> None:
        # A signal arrives between any two instructions, those of the event loop included.
        self.loop.call_soon_threadsafe(self.loop.call_later, seconds, self._hand_over, number)

    def _hand_over(self, number: int) -> None:
        self.handlers[number](number, None)

    @contextmanager
    def following_supervisor(self) -> Iterator[None]:
        """Leave at once when the supervisor of this worker has died and can send no signal.

        Its successor waits for the port.
        """
        supervisor = multiprocessing.parent_process()
        if supervisor is None or sys.platform == "win32":
            yield
            return

        def leave() -> None:
            self.loop.remove_reader(supervisor.sentinel)
            self.drain.draining = True
            self._hand_over(signal.SIGTERM)

        self.loop.add_reader(supervisor.sentinel, leave)
        try:
            yield
        finally:
            self.loop.remove_reader(supervisor.sentinel)


def _handlers_of_server() -> dict[int, Handler]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers: dict[int, Handler] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        # Python itself handles SIGINT, but SIGTERM only where a server does.
        if not callable(handler):
            return {}
        handlers[number] = handler
    return handlers
