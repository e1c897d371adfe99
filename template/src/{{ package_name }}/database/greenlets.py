"""Greenlets that are used again, for the synchronous code of SQLAlchemy.

SQLAlchemy runs each call of a session in a new one. CPython maps memory for the first frame of a
greenlet and unmaps it at the end, which takes a twentieth of the time of a read.
"""

import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet
from sqlalchemy.ext.asyncio import session  # noqa: TID251 - its name for what runs in a greenlet

T = TypeVar("T")

_DONE = object()


def use_in_sessions() -> None:
    """Let SQLAlchemy's sessions run in greenlets that are used again."""
    # They look it up there at each call; where they do not, they are slower and nothing else.
    vars(session)["greenlet_spawn"] = greenlet_spawn


async def greenlet_spawn(
    function: Callable[..., T],
    *args: Any,  # noqa: ANN401 - those of the function
    _require_await: bool = False,
    **options: Any,  # noqa: ANN401 - those of the function
) -> T:
    """Run a synchronous function that may call ``await_()``, as SQLAlchemy's own does.

    Raises:
        BaseException: what the function raises.
    """
    caller = getcurrent()
    workers = _IDLE.workers
    worker = workers.pop() if workers else _Worker(_serve)
    worker.parent = caller
    worker.gr_context = caller.gr_context
    worker.call = partial(function, *args, **options)
    result = worker.switch()
    while result is not _DONE:
        try:  # pragma: no cover - executed, but coverage loses track where a greenlet switches
            value = await result
        # ast-grep-ignore: swallowed-cancellation - the function may raise it
        except BaseException:  # noqa: BLE001 - raised where the function waits
            result = worker.throw(*sys.exc_info())
        else:
            result = worker.switch(value)
    try:
        outcome: T = worker.take()
    finally:
        workers.append(worker)
    return outcome


class _Worker(greenlet):
    """Runs one call after another, and rests in between."""

    __sqlalchemy_greenlet_provider__ = True  # It may call await_().

    call: Callable[[], Any] | None = None
    value: Any = None
    failure: BaseException | None = None

    def take(self) -> Any:  # noqa: ANN401 - that of the call
        """Return or raise what has come of the call, and keep nothing of it."""
        value, error = self.value, self.failure
        self.call = self.value = self.failure = self.gr_context = None
        if error is None:
            return value
        context = error.__context__
        try:
            raise error
        finally:
            # Raised here, it would tell what its caller handles instead of what led to it; and its
            # traceback has this frame, which would keep it.
            error.__context__ = context
            del error, context


def _serve() -> None:
    # Nothing here holds the worker while it rests, so that it goes with its thread.
    while True:
        _run(cast(_Worker, getcurrent()))
        cast(greenlet, getcurrent().parent).switch(_DONE)


def _run(worker: _Worker) -> None:
    try:
        worker.value = cast(Callable[[], Any], worker.call)()
    # ast-grep-ignore: swallowed-cancellation - take() raises it
    except BaseException as error:  # noqa: BLE001 - take() raises it
        worker.failure = error


class _Idle(threading.local):
    """The greenlets of a thread that rest; they cannot go to another thread."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []


_IDLE = _Idle()
