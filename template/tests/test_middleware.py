import asyncio
import json

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from {{ package_name }}.drain import Drain
from {{ package_name }}.lifespan import State
from {{ package_name }}.logs import OUTPUT, configure_logging
from {{ package_name }}.main import middleware
from {{ package_name }}.middleware import RequestMiddleware
from {{ package_name }}.settings import Settings

from tests.conftest import MakeClient
from tests.sample import GizmoQueries
from tests.support import assert_problem


async def test_a_valid_request_id_is_kept(client: httpx2.AsyncClient) -> None:
    response = await client.get("/gizmos", headers={"X-Request-ID": "Trace_1.2-3"})

    assert response.headers["X-Request-ID"] == "Trace_1.2-3"


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 129, b'"', b"\xe9", b"a\tb", b"<script>"])
async def test_any_other_request_id_is_replaced(client: httpx2.AsyncClient, given: bytes) -> None:
    response = await client.get("/gizmos", headers=[(b"X-Request-ID", given)])

    assert len(response.headers["X-Request-ID"]) == 32


async def test_each_request_has_an_id_of_its_own(client: httpx2.AsyncClient) -> None:
    ids = {(await client.get("/gizmos")).headers["X-Request-ID"] for _ in range(3)}

    assert len(ids) == 3


@pytest.mark.parametrize("path", ["/gizmos", "/nowhere", "/gizmos/no-uuid"])
async def test_every_response_tells_its_time(client: httpx2.AsyncClient, path: str) -> None:
    response = await client.get(path)

    time, unit = response.headers["X-Response-Time"][:-2], response.headers["X-Response-Time"][-2:]
    assert (float(time) > 0, unit) == (True, "ms")


async def test_browsers_are_allowed_by_their_origin(make_client: MakeClient) -> None:
    async with make_client(cors_origins="https://a.test, https://b.test") as client:
        allowed = await client.get("/gizmos", headers={"Origin": "https://b.test"})
        refused = await client.get("/gizmos", headers={"Origin": "https://c.test"})

    assert allowed.headers["access-control-allow-origin"] == "https://b.test"
    assert "X-Request-ID" in allowed.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in refused.headers


def test_the_middleware_is_in_order(settings: Settings) -> None:
    with_cors = settings.model_copy(update={"cors_origins": ["*"]})

    names = [getattr(layer.cls, "__name__", "") for layer in middleware(with_cors)]

    assert names == ["CORSMiddleware", "RequestMiddleware"]
    assert "CORSMiddleware" not in str(middleware(settings))


async def test_a_request_is_logged_with_its_id(
    client: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    # What was logged before this is of other tests.
    OUTPUT.drain()
    capfd.readouterr()

    await client.get("/gizmos?secret=1", headers={"X-Request-ID": "find-me"})
    OUTPUT.drain()

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["request_id"], line["method"], line["status"]) == ("find-me", "GET", 200)
    assert line["path"] == "/gizmos"
    assert line["milliseconds"] > 0


async def test_a_draining_process_asks_clients_to_leave(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await client.get("/gizmos")
    monkeypatch.setattr(state["drain"], "draining", True)
    after = await client.get("/gizmos")

    assert "connection" not in before.headers
    assert after.headers["connection"] == "close"


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
    async with make_client(request_timeout=0.05) as client:
        response = await client.get("/gizmos")

    assert_problem(response, 504, "deadline-exceeded")
    assert cancelled.is_set()


async def begin(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def begin_and_wait(scope: Scope, receive: Receive, send: Send) -> None:
    await begin(scope, receive, send)
    await asyncio.sleep(60)


async def begin_and_fail(scope: Scope, receive: Receive, send: Send) -> None:
    await begin(scope, receive, send)
    raise RuntimeError


async def time_out(scope: Scope, receive: Receive, send: Send) -> None:
    raise TimeoutError


def around(app: ASGIApp, *, seconds: float = 60) -> RequestMiddleware:
    return RequestMiddleware(app, seconds=seconds, max_body_bytes=100)


HTTP: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def nothing() -> Message:
    return {"type": "http.request"}


@pytest.mark.parametrize(
    ("app", "error"), [(begin_and_wait, TimeoutError), (begin_and_fail, RuntimeError)]
)
async def test_what_cannot_be_answered_any_more_is_raised(
    app: ASGIApp, error: type[Exception]
) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(error):
        await around(app, seconds=0.01)({**HTTP, "state": {"drain": Drain()}}, nothing, send)

    assert len(sent) == 1


async def test_a_request_is_logged_although_its_answer_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO")

    async def wait(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(60)

    async def fail(_message: Message) -> None:
        raise OSError

    with pytest.raises(OSError, match=r"^$"):
        await around(wait, seconds=0.01)({**HTTP, "state": {"drain": Drain()}}, nothing, fail)
    OUTPUT.drain()

    assert '"event":"request"' in capfd.readouterr().out


async def test_a_get_may_look_whether_its_client_is_there() -> None:
    sent: list[Message] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(scope, receive, send)
        await receive()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {**HTTP, "headers": [(b"content-length", b"101")], "state": {"drain": Drain()}}
    await around(look)(scope, nothing, send)

    assert [message["status"] for message in sent] == [200]


async def test_an_error_of_time_is_no_deadline() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await around(time_out)({**HTTP, "state": {"drain": Drain()}}, nothing, send)

    assert sent[0]["status"] == 500


async def test_other_connections_pass(settings: Settings) -> None:
    app = FastAPI(middleware=middleware(settings))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "websocket", "path": "/", "headers": [], "state": {}}
    await app(scope, receive, send)

    assert [message["type"] for message in sent] == ["websocket.close"]
