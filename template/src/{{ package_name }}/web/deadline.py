"""The deadline of a request: the time until its response must begin."""

import asyncio
from typing import Any

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import DeadlineExceeded, ProblemResponse

CLEAN_UP_SECONDS = 1.0
"""How long a late request may take to undo what it has begun, where there is a second deadline."""


class DeadlineMiddleware:
    """Cancels what a request waits for after ``seconds``, and answers 504.

    A response that has begun is not interrupted, nor is a background task.
    A stream of events ends when the process drains: its client comes back to another process.
    WebSockets have no deadline; the server closes them.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self.app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        timeout = asyncio.timeout(self._seconds)
        state = scope.setdefault("state", {})
        state.setdefault("deadlines", []).append(timeout)
        head: Message = {}

        async def send_in_time(message: Message) -> None:
            nonlocal head
            if timeout.expired():
                return
            if message["type"] == "http.response.start":
                timeout.reschedule(None)
                head = message
            await send(message)
            if "drain" in state and state["drain"].draining and _is_stream_of_events(head):
                timeout.reschedule(0)

        try:
            async with timeout:
                await self.app(scope, receive, send_in_time)
        except (TimeoutError, ExceptionGroup):  # a stream may end with a group of what it met
            if not timeout.expired():
                raise
        if timeout.expired() and head:
            await send({"type": "http.response.body"})
        elif timeout.expired():
            # What is left of the body may never come.
            problem = DeadlineExceeded(headers={"Connection": "close"})
            await ProblemResponse(problem, scope)(scope, receive, send)


def _is_stream_of_events(head: Message) -> bool:
    content_type = Headers(raw=head["headers"]).get("content-type", "")
    return content_type.startswith("text/event-stream")


def deadline(seconds: float | None) -> Any:  # noqa: ANN401 - as FastAPI's Depends() itself
    """Give a route a deadline of its own, or none.

    @router.post("/reports", dependencies=[deadline(120)])
    """

    async def reschedule(request: Request) -> None:
        end = None if seconds is None else asyncio.get_running_loop().time() + seconds
        for timeout in reversed(request.scope.get("state", {}).get("deadlines", [])):
            timeout.reschedule(end)
            end = None if end is None else end + CLEAN_UP_SECONDS

    return Depends(reschedule)
