import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
from fastapi import APIRouter, BackgroundTasks, Request, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from fastapi.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from {{ package_name }}.settings import Settings
from {{ package_name }}.web.deadline import DeadlineMiddleware, deadline

from tests.conftest import MakeClient, make_app
from tests.sample import GizmoQueries
from tests.support import assert_problem

SECONDS = 0.05
LONGER = 4 * SECONDS


async def test_a_request_over_its_budget_is_ended(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = asyncio.Event()

    async def wait(*_: object, **__: object) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    monkeypatch.setattr(GizmoQueries, "page", wait)
    async with make_client(request_timeout=0.5) as client:
        response = await client.get("/gizmos")

    assert_problem(response, 504, "deadline-exceeded")
    assert response.headers["connection"] == "close"
    assert cancelled.is_set()


async def test_a_timeout_of_something_else_is_told_and_logged(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def time_out(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(GizmoQueries, "page", time_out)
    async with make_client() as client:
        response = await client.get("/gizmos")

    assert_problem(response, 504, "deadline-exceeded")
    assert "in time_out" in capfd.readouterr().out


async def test_a_stream_of_events_ends_when_the_process_drains(make_client: MakeClient) -> None:
    router = APIRouter()

    @router.get("/events", response_class=EventSourceResponse)
    async def events(request: Request) -> AsyncIterator[int]:
        for number in count():
            yield number
            request.state.drain.draining = True
            await asyncio.sleep(0)

    async with make_client(router) as client:
        response = await client.get("/events")

    assert response.text.startswith("data: 0\n\n")


async def test_a_stream_and_a_background_task_take_their_time(make_client: MakeClient) -> None:
    router = APIRouter()
    done = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(LONGER)
        done.set()

    @router.get("/stream")
    async def stream(tasks: BackgroundTasks) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"one "
            await asyncio.sleep(LONGER)
            yield b"two"

        tasks.add_task(work)
        return StreamingResponse(chunks())

    async with make_client(router, request_timeout=SECONDS) as client:
        response = await client.get("/stream")

    assert response.text == "one two"
    assert done.is_set()


async def send(message: Message) -> None: ...


async def receive() -> Message:
    return {"type": "http.request"}


async def test_a_timeout_of_another_layer_is_raised_on() -> None:
    async def time_out(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await DeadlineMiddleware(time_out, seconds=60)({"type": "http"}, receive, send)


async def test_an_answer_that_comes_too_late_is_not_sent() -> None:
    sent: list[Message] = []

    async def answer_late(_scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def note(message: Message) -> None:
        sent.append(message)

    await DeadlineMiddleware(answer_late, seconds=0.01)({"type": "http"}, receive, note)

    assert [message.get("status") for message in sent] == [504, None]


@pytest.mark.parametrize(("seconds", "status"), [(None, 200), (60, 200), (SECONDS, 504)])
async def test_a_route_may_have_a_deadline_of_its_own(
    make_client: MakeClient, seconds: float | None, status: int
) -> None:
    router = APIRouter()

    @router.get("/report", dependencies=[deadline(seconds)])
    async def report() -> None:
        await asyncio.sleep(LONGER)

    timeout = SECONDS if status == 200 else 60
    async with make_client(router, request_timeout=timeout) as client:
        response = await client.get("/report")

    assert response.status_code == status


def test_a_websocket_has_no_deadline(settings: Settings) -> None:
    router = APIRouter()

    @router.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await asyncio.sleep(LONGER)
        await websocket.send_text("still there")

    app = make_app(settings.model_copy(update={"request_timeout": SECONDS}), router)
    with TestClient(app) as client, client.websocket_connect("/socket") as connection:
        assert connection.receive_text() == "still there"
