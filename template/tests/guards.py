"""What only shows at run time; docs/patterns.md has the reasons."""

import asyncio
import builtins
import io
import mimetypes
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session

import {{ package_name }}

PACKAGE = str(Path({{ package_name }}.__file__).parent)
MAY_BLOCK = (
    "<frozen importlib._bootstrap>",
    mimetypes.__file__,
    str(Path(PACKAGE, "migrations", "env.py")),
)
"""What reads files in its first call, as a response with a file asks for its type; and migrations,
which have an event loop of their own."""

SHARED_SESSION = "a session is used by two tasks: docs/patterns.md#one-session-per-task"
BLOCKED_LOOP = "the event loop is blocked: docs/patterns.md#blocking-call"


@contextmanager
def watching() -> Iterator[list[str]]:
    """Watch the service, and collect each pattern that it breaks."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, blocks in BLOCKING:
            patch.setattr(owner, name, _watched(getattr(owner, name), found, blocks))
        with _watched_sessions(found, patch):
            yield found


def _always(*_: object) -> bool:
    return True


def _names_a_file(file: object, *_: object) -> bool:
    return not isinstance(file, int)


BLOCKING: tuple[tuple[Any, str, Callable[..., bool]], ...] = (
    (time, "sleep", _always),
    (builtins, "open", _names_a_file),
    (io, "open", _names_a_file),
    (subprocess.Popen, "wait", _always),
    (socket.socket, "connect", lambda connection, *_: connection.gettimeout() != 0),
    (Future, "result", lambda future, *_: not future.done()),
)
"""What blocks its thread, and whether a call of it does."""


def _watched(
    function: Callable[..., Any], found: list[str], blocks: Callable[..., bool]
) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _current_task() and blocks(*args) and _called_by_service():
            found.append(f"{BLOCKED_LOOP} ({function.__qualname__})")
        return function(*args, **kwargs)

    return call


def _called_by_service() -> bool:
    frame, is_ours = sys._getframe(), False
    while frame.f_back:
        frame = frame.f_back
        if frame.f_code.co_filename in MAY_BLOCK:
            return False
        is_ours = is_ours or frame.f_code.co_filename.startswith(PACKAGE)
    return is_ours


@contextmanager
def _watched_sessions(found: list[str], patch: pytest.MonkeyPatch) -> Iterator[None]:
    create, flush = AsyncSession.__init__, AsyncSession.flush

    @wraps(create)
    def created(self: AsyncSession, *args: Any, **kwargs: Any) -> None:
        create(self, *args, **kwargs)
        self.sync_session.info["task"] = _current_task()

    @wraps(flush)
    async def flushed(self: AsyncSession, *args: Any, **kwargs: Any) -> None:
        used(self.sync_session)
        await flush(self, *args, **kwargs)

    def used(session: Session) -> None:
        if session.info["task"] is not _current_task():
            found.append(SHARED_SESSION)

    def executed(state: ORMExecuteState) -> None:
        used(state.session)

    # The last flush, that of the commit, is left out: SQLAlchemy runs it in a task of its own.
    patch.setattr(AsyncSession, "__init__", created)
    patch.setattr(AsyncSession, "flush", flushed)
    event.listen(Session, "do_orm_execute", executed)
    try:
        yield
    finally:
        event.remove(Session, "do_orm_execute", executed)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
