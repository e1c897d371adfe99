"""Streams, events and background tasks, in their right forms and in the wrong ones."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.pool import QueuePool
from starlette.types import Message

from order_desk.database.dependencies import DatabaseDep, ReadSessionDep, WriteSessionDep
from order_desk.database.engine import Database
from order_desk.settings import Settings
from order_desk.users.schemas import UserCreate
from order_desk.users.service import UserTransfer
from order_desk.web.deadline import deadline

from tests.conftest import Running, make_app, running
from tests.guards import SHARED_SESSION
from tests.sample import Gizmo
from tests.support import assert_problem

REQUEST_TIMEOUT = 0.5
LONGER = 1.5 * REQUEST_TIMEOUT

pytestmark = pytest.mark.usefixtures("state")


class Item(BaseModel):
    name: str


class Stored(Item):
    price: int = 3


ITEMS = [Stored(name=name) for name in ("one", "two")]

router = APIRouter()


@router.get("/events", response_class=EventSourceResponse)
async def stream_events() -> AsyncIterator[Item]:
    for item in ITEMS:
        yield item


@router.get("/events/full", response_class=EventSourceResponse)
async def stream_full_events() -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(data={"status": "started"}, event="status", id="1", retry=5)
    yield ServerSentEvent(raw_data="plain", comment="a comment")


@router.get("/events/slow", response_class=EventSourceResponse)
async def stream_slow_events(database: DatabaseDep) -> AsyncIterator[Item]:
    for _ in range(2):
        async with database.read() as session:
            names = (await session.scalars(select(Gizmo.name))).all()
        yield Item(name=",".join(names))
        await asyncio.sleep(LONGER)


@router.get("/lines")
async def stream_lines() -> AsyncIterator[Item]:
    for item in ITEMS:
        yield item


@router.get("/lines/sync")
def stream_lines_from_a_thread() -> Iterator[Item]:
    yield from ITEMS


@router.get("/bytes", response_class=StreamingResponse)
async def stream_bytes() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"x"
        await asyncio.sleep(REQUEST_TIMEOUT / 2)


@router.get("/wrong/response", response_model=None)
async def stream_over_the_session(session: ReadSessionDep) -> StreamingResponse:
    async def names() -> AsyncIterator[str]:
        for name in await session.scalars(select(Gizmo.name)):
            yield name

    return StreamingResponse(names())


@router.get("/wrong/lines")
async def stream_lines_over_the_session(session: WriteSessionDep) -> AsyncIterator[str]:
    for name in await session.scalars(select(Gizmo.name)):
        yield name


@router.post("/wrong/task", status_code=HTTPStatus.ACCEPTED)
async def add_in_the_session_later(session: WriteSessionDep, tasks: BackgroundTasks) -> None:
    async def add() -> None:
        session.add(Gizmo(name="wrong", note="never stored"))
        await session.flush()

    tasks.add_task(add)


async def add_gizmo(database: Database, name: str) -> None:
    await asyncio.sleep(LONGER)
    async with database.write() as session:
        session.add(Gizmo(name=name, note="stored later"))


@router.post("/right/task", status_code=HTTPStatus.ACCEPTED)
async def add_later(database: DatabaseDep, tasks: BackgroundTasks) -> None:
    tasks.add_task(add_gizmo, database, "right")


LOG: list[str] = []


def note_in_thread(text: str) -> None:
    LOG.append(text)


def get_noted(tasks: BackgroundTasks, q: str = "") -> str:
    tasks.add_task(note_in_thread, f"dependency {q}")
    return q


@router.get("/noted")
async def get_note(tasks: BackgroundTasks, q: Annotated[str, Depends(get_noted)]) -> str:
    tasks.add_task(note_in_thread, f"endpoint {q}")
    return q


async def wait() -> str:
    await asyncio.sleep(LONGER)
    return "done"


router.get("/waits")(wait)
router.get("/waits/longer", dependencies=[deadline(10 * LONGER)])(wait)
router.get("/waits/for-ever", dependencies=[deadline(None)])(wait)
router.get("/waits/shorter", dependencies=[deadline(REQUEST_TIMEOUT / 10)])(wait)

patient = APIRouter(prefix="/patient", dependencies=[deadline(None)])
patient.get("/waits")(wait)
router.include_router(patient)


@asynccontextmanager
async def started(settings: Settings, **changes: object) -> AsyncIterator[Running]:
    values = {**dict(settings), **changes}
    async with running(make_app(Settings(_env_file=None, **values), router)) as app:
        yield app


def client_to(app: Running) -> httpx2.AsyncClient:
    """Make a client to which an exception is raised, as to a server."""
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://service.test")


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Running]:
    async with started(settings, database_pool_size=2) as app:
        yield app


@pytest.fixture
async def client(app: Running) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_to(app) as client:
        yield client


@pytest.fixture
async def hasty(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application with a short deadline."""
    async with started(settings, request_timeout=REQUEST_TIMEOUT) as app, client_to(app) as client:
        yield client


def in_use(database: Database) -> list[int]:
    pools = [database.read_engine.pool, database.write_engine.pool]
    return [pool.checkedout() for pool in pools if isinstance(pool, QueuePool)]


async def test_events_are_filtered_by_their_model(client: httpx2.AsyncClient) -> None:
    response = await client.get("/events")

    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text == 'data: {"name":"one"}\n\ndata: {"name":"two"}\n\n'


async def test_an_event_has_all_its_fields(client: httpx2.AsyncClient) -> None:
    first, second, _ = (await client.get("/events/full")).text.split("\n\n")

    assert set(first.split("\n")) == {
        "event: status",
        'data: {"status": "started"}',
        "id: 1",
        "retry: 5",
    }
    assert set(second.split("\n")) == {": a comment", "data: plain"}


@pytest.mark.parametrize("path", ["/lines", "/lines/sync"])
async def test_lines_are_filtered_by_their_model(client: httpx2.AsyncClient, path: str) -> None:
    response = await client.get(path)

    assert response.headers["content-type"].startswith("application/jsonl")
    assert response.text == '{"name":"one"}\n{"name":"two"}\n'


async def test_streams_outlive_the_deadline(
    hasty: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    await client.post("/gizmos", json={"name": "one", "note": "a note"})

    events = await hasty.get("/events/slow")
    stream = await hasty.get("/bytes")

    assert events.text == 'data: {"name":"one"}\n\n' * 2
    assert stream.content == b"xxx"


@pytest.mark.parametrize("path", ["/wrong/response", "/wrong/lines"])
async def test_a_stream_over_the_session_fails_at_once(
    client: httpx2.AsyncClient, app: Running, path: str, watched: list[str]
) -> None:
    for _ in range(5):
        with pytest.raises(InvalidRequestError, match="closed"):
            await client.get(path)
    # The suite of the service tells it as well.
    assert set(watched) == {SHARED_SESSION}
    watched.clear()

    assert set(in_use(app.state["database"])) <= {0}
    assert (await client.get("/gizmos")).status_code == 200
    assert (await client.get("/health/ready")).status_code == 200


async def test_a_task_over_the_session_fails_at_once(
    client: httpx2.AsyncClient, app: Running
) -> None:
    for _ in range(5):
        with pytest.raises(InvalidRequestError, match="closed"):
            await client.post("/wrong/task")

    assert set(in_use(app.state["database"])) <= {0}
    created = await client.post("/gizmos", json={"name": "one", "note": "a note"})
    assert created.status_code == 201


async def test_a_task_has_a_transaction_of_its_own(hasty: httpx2.AsyncClient) -> None:
    response = await hasty.post("/right/task")
    gizmos = (await hasty.get("/gizmos")).json()["items"]

    assert response.status_code == HTTPStatus.ACCEPTED
    assert [gizmo["name"] for gizmo in gizmos] == ["right"]


async def test_tasks_in_threads_and_of_dependencies(client: httpx2.AsyncClient) -> None:
    LOG.clear()
    await client.get("/noted?q=x")

    assert LOG == ["dependency x", "endpoint x"]


async def test_a_route_has_a_deadline_of_its_own(hasty: httpx2.AsyncClient) -> None:
    for path in ("/waits/longer", "/waits/for-ever", "/patient/waits"):
        assert (await hasty.get(path)).json() == "done"
    for path in ("/waits", "/waits/shorter"):
        assert_problem(await hasty.get(path), 504, "deadline-exceeded")


async def fill(database: Database, name: str, count: int) -> None:
    emails = [f"{name}{number}@example.com" for number in range(count)]
    users = [UserCreate(email=email, full_name="x" * 200) for email in emails]
    await UserTransfer(database).create_many(users)


SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/users/export",
    "raw_path": b"/users/export",
    "root_path": "",
    "query_string": b"",
    "headers": [],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
}


async def receive() -> Message:
    await asyncio.sleep(60)
    return {"type": "http.disconnect"}


async def test_an_export_holds_no_connection_for_a_slow_client(app: Running) -> None:
    database = app.state["database"]
    await fill(database, "user", 300)
    lines, in_use_then = 0, []

    async def send(message: Message) -> None:
        nonlocal lines
        in_use_then.append(in_use(database))
        lines += message.get("body", b"").count(b"\n")
        await asyncio.sleep(0)

    await app({**SCOPE}, receive, send)

    assert lines == 300
    assert all(set(counts) <= {0} for counts in in_use_then)


async def peak_of_export(app: Running) -> int:
    async def send(message: Message) -> None:
        """Let go of it."""

    tracemalloc.start()
    try:
        await app({**SCOPE}, receive, send)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_an_export_has_constant_memory(app: Running, client: httpx2.AsyncClient) -> None:
    database = app.state["database"]
    await fill(database, "few", 400)
    await client.get("/users/export")
    few = await peak_of_export(app)
    await fill(database, "many", 2000)
    many = await peak_of_export(app)

    assert many < 1.5 * few, (few, many)
