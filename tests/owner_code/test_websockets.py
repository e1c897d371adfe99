"""FastAPI's chapters on WebSockets, with and without the database."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Cookie, Depends, Query, WebSocket, WebSocketException
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import connect

from order_desk.database.dependencies import DatabaseDep, ReadSessionDep, WriteSessionDep
from order_desk.lifespan import State
from order_desk.settings import Settings
from order_desk.web.problems import Conflict, NotFound

from tests.conftest import make_app
from tests.owner_code.serving import serving
from tests.sample import Gizmo

REQUEST_TIMEOUT = 0.5

router = APIRouter(prefix="/ws")


@router.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@router.websocket("/count")
async def count(websocket: WebSocket, session: ReadSessionDep) -> None:
    await websocket.accept()
    await websocket.send_json(await session.scalar(select(func.count()).select_from(Gizmo)))


@router.websocket("/counts")
async def counts(websocket: WebSocket, database: DatabaseDep) -> None:
    """Hold a connection to the database for each message, not for the life of the socket."""
    await websocket.accept()
    async for _ in websocket.iter_text():
        async with database.read() as session:
            number = await session.scalar(select(func.count()).select_from(Gizmo))
        await websocket.send_json(number)


@router.websocket("/create/{name}")
async def create(websocket: WebSocket, name: str, session: WriteSessionDep) -> None:
    await websocket.accept()
    session.add(Gizmo(name=name, note="by a socket"))
    await session.flush()
    await websocket.send_text(name)
    if name == "fails":
        raise Conflict
    await websocket.close()


@router.websocket("/problem")
async def problem(websocket: WebSocket, accept: Annotated[bool, Query()]) -> None:
    if accept:
        await websocket.accept()
    raise NotFound


@router.websocket("/http-exception")
async def http_exception(websocket: WebSocket) -> None:
    await websocket.accept()
    raise HTTPException(404)


@router.websocket("/exception")
async def exception(websocket: WebSocket) -> None:
    await websocket.accept()
    message = "nobody handles it"
    raise RuntimeError(message)


async def get_token(session: Annotated[str | None, Cookie()] = None, token: str = "") -> str:
    if session is None and not token:
        raise WebSocketException(code=1008)
    return session or token


@router.websocket("/items/{item_id}")
async def item(
    websocket: WebSocket, item_id: int, token: Annotated[str, Depends(get_token)]
) -> None:
    await websocket.accept()
    await websocket.send_json([item_id, token])


class Rooms:
    """The manager of connections of FastAPI's documentation."""

    def __init__(self) -> None:
        self.sockets: list[WebSocket] = []

    async def broadcast(self, text: str) -> None:
        for socket in self.sockets:
            await socket.send_text(text)


ROOMS = Rooms()


@router.websocket("/chat/{client}")
async def chat(websocket: WebSocket, client: str) -> None:
    await websocket.accept()
    ROOMS.sockets.append(websocket)
    try:
        while True:
            await ROOMS.broadcast(f"{client}: {await websocket.receive_text()}")
    except WebSocketDisconnect:
        ROOMS.sockets.remove(websocket)
        await ROOMS.broadcast(f"{client} left")


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    values = {**dict(settings), "request_timeout": REQUEST_TIMEOUT}
    app = make_app(Settings(_env_file=None, **values), router)
    with TestClient(app) as client:
        yield client


def test_a_socket_answers(client: TestClient) -> None:
    with client.websocket_connect("/ws/echo") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"


@pytest.mark.usefixtures("state")
async def test_a_socket_has_a_session(client: TestClient) -> None:
    def talk() -> None:
        with client.websocket_connect("/ws/count") as socket:
            assert socket.receive_json() == 0
        with client.websocket_connect("/ws/create/one") as socket:
            assert socket.receive_text() == "one"
            with pytest.raises(WebSocketDisconnect):
                socket.receive_text()
        with client.websocket_connect("/ws/counts") as socket:
            socket.send_text("")
            assert socket.receive_json() == 1
            socket.send_text("")
            assert socket.receive_json() == 1

    await asyncio.to_thread(talk)


async def test_a_transaction_ends_with_its_socket(client: TestClient, state: State) -> None:
    def talk() -> None:
        with client.websocket_connect("/ws/create/fails") as socket:
            assert socket.receive_text() == "fails"
            with pytest.raises(WebSocketDisconnect) as error:
                socket.receive_text()
            assert (error.value.code, error.value.reason) == (1008, Conflict.title)

    await asyncio.to_thread(talk)
    async with state["database"].read() as session:
        assert (await session.scalars(select(Gizmo))).all() == []


def test_a_problem_closes_a_socket(client: TestClient) -> None:
    with client.websocket_connect("/ws/problem?accept=yes") as socket:
        with pytest.raises(WebSocketDisconnect) as error:
            socket.receive_text()
        assert (error.value.code, error.value.reason) == (1008, "Not found")
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws/problem?accept=no"):
        pass


def test_an_http_exception_closes_a_socket(client: TestClient) -> None:
    with client.websocket_connect("/ws/http-exception") as socket:
        with pytest.raises(WebSocketDisconnect) as error:
            socket.receive_text()
        assert error.value.code == 1008


def test_an_exception_in_a_socket_reaches_the_server(client: TestClient) -> None:
    with (
        pytest.raises(RuntimeError, match="nobody handles it"),
        client.websocket_connect("/ws/exception") as socket,
    ):
        socket.receive_text()


def test_a_socket_has_parameters_and_dependencies(client: TestClient) -> None:
    with client.websocket_connect("/ws/items/3?token=key") as socket:
        assert socket.receive_json() == [3, "key"]
    for path in ("/ws/items/3", "/ws/items/three?token=key"):
        with (
            pytest.raises(WebSocketDisconnect) as error,
            client.websocket_connect(path),
        ):
            pass
        assert error.value.code == 1008


def test_sockets_talk_to_each_other(client: TestClient) -> None:
    with client.websocket_connect("/ws/chat/ada") as ada:
        with client.websocket_connect("/ws/chat/bob") as bob:
            bob.send_text("hello")
            assert ada.receive_text() == bob.receive_text() == "bob: hello"
        assert ada.receive_text() == "bob left"


@pytest.fixture
async def port(settings: Settings) -> AsyncIterator[int]:
    values = {**dict(settings), "request_timeout": REQUEST_TIMEOUT}
    async with serving(make_app(Settings(_env_file=None, **values), router)) as port:
        yield port


async def test_a_socket_outlives_the_deadline_of_requests(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/ws/echo") as socket:
        for text in ("before", "after"):
            await socket.send(text)
            assert await socket.recv() == text
            await asyncio.sleep(1.5 * REQUEST_TIMEOUT)


async def test_a_server_closes_a_socket_with_the_problem(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/ws/problem?accept=yes") as socket:
        await socket.wait_closed()
    assert (socket.close_code, socket.close_reason) == (1008, "Not found")


async def test_a_socket_that_is_not_there_is_refused(port: int) -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        response = await client.get("/ws/echo")
    assert response.status_code == 404
