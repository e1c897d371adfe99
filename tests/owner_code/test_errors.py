"""What goes wrong is answered as a problem, and shown to whoever runs the service."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
import uvicorn
from fastapi import APIRouter, Body, HTTPException, Request, Response
from starlette.types import Message, Receive, Scope, Send

from order_desk import main
from order_desk.database.dependencies import WriteSessionDep
from order_desk.settings import Settings

from tests.conftest import MakeClient, Running, make_app, running
from tests.owner_code.serving import serving
from tests.sample import Gizmo, GizmoQueries
from tests.support import assert_problem

MIB = 1024 * 1024

router = APIRouter(prefix="/errors")


@router.get("/exception")
async def raise_exception() -> None:
    message = "nobody handles it"
    raise RuntimeError(message)


@router.get("/header")
async def set_header(response: Response, value: str) -> str:
    response.headers["X-Owner"] = value
    return value


@router.get("/status/{code}")
async def raise_status(code: int) -> None:
    raise HTTPException(code, detail={"reason": "of my own"}, headers={"X-Owner": "yes"})


@router.get("/large-number", response_model=None)
async def get_large_number() -> dict[str, int]:
    return {"a": 2**70}


@router.get("/forgotten")
async def forget_a_column(session: WriteSessionDep) -> None:
    session.add(Gizmo(name="no note"))
    await session.flush()


@router.post("/empty", max_body_size=0)
async def take_no_body(request: Request) -> int:
    return len(await request.body())


@router.post("/small", max_body_size=10)
async def take_small_body(text: Annotated[str, Body()]) -> int:
    return len(text)


@router.get("/body")
async def read_body(request: Request) -> int:
    return len(await request.body())


@pytest.fixture
async def client(make_client: MakeClient) -> AsyncIterator[httpx2.AsyncClient]:
    async with make_client(router, cors_origins="*") as client:
        yield client


def logged(capfd: pytest.CaptureFixture[str], event: str) -> dict[str, Any]:
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line[:1] == "{"]
    (line,) = [line for line in lines if line["event"] == event]
    return dict(line)


async def test_an_exception_is_answered_through_the_middleware(
    client: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    response = await client.get("/errors/exception", headers={"Origin": "https://a.test"})

    assert_problem(response, 500, "internal-error")
    assert "nobody" not in response.text
    assert response.headers["access-control-allow-origin"] == "*"
    assert logged(capfd, "request")["status"] == 500


async def test_a_defect_reaches_whoever_runs_the_application(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GizmoQueries, "page", None)
    transport = httpx2.ASGITransport(app=service)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service.test") as client:
        with pytest.raises(TypeError):
            await client.get("/gizmos")


async def test_a_header_that_http_forbids_is_an_error(
    client: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    fine = await client.get("/errors/header", params={"value": "fine"})
    assert fine.headers["X-Owner"] == "fine"
    capfd.readouterr()

    response = await client.get("/errors/header", params={"value": "a\nb"})

    assert_problem(response, 500, "internal-error")
    assert logged(capfd, "request")["status"] == 500


@pytest.mark.parametrize("code", [400, 401, 403, 418, 499, 500, 503, 599])
async def test_every_status_of_an_http_exception(client: httpx2.AsyncClient, code: int) -> None:
    response = await client.get(f"/errors/status/{code}")

    assert response.status_code == response.json()["status"] == code
    assert response.json()["detail"] == {"reason": "of my own"}
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["X-Owner"] == "yes"


async def test_a_large_number_without_a_model(client: httpx2.AsyncClient) -> None:
    response = await client.get("/errors/large-number")

    assert response.json() == {"a": 2**70}


async def test_a_forgotten_column_is_logged(
    client: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    response = await client.get("/errors/forgotten")

    assert_problem(response, 409, "conflict")
    line = logged(capfd, "database error")
    assert "note" in str(line)
    assert "no note" not in str(line)


async def test_limits_of_bodies(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/errors/empty")).json() == 0
    assert_problem(await client.post("/errors/empty", content=b"x"), 413, "content-too-large")
    assert (await client.post("/errors/small", json="12345678")).json() == 8
    assert_problem(await client.post("/errors/small", json="123456789"), 413, "content-too-large")


async def test_a_get_reads_no_large_body(settings: Settings) -> None:
    app = make_app(settings, router)
    received = 0

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async with running(app) as service:
            await service(scope, receive_counted, send)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(21 * 16):
            yield b"x" * (MIB // 16)

    transport = httpx2.ASGITransport(app=counting)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service.test") as client:
        for path in ("/errors/body", "/errors/status/400", "/nowhere"):
            response = await client.request("GET", path, content=body())
            assert response.status_code in {400, 404, 413}

    assert received < 2 * MIB


@pytest.mark.parametrize("path", ["/gizmos", "/errors/body"])
async def test_a_client_that_sends_all_at_first_reads_the_413(
    settings: Settings, path: str
) -> None:
    size = 5 * MIB
    method = "POST" if path == "/gizmos" else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n"
    async with serving(make_app(settings, router)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + b"1" * size)
        await writer.drain()
        status = await reader.readline()
        writer.close()
        await writer.wait_closed()

    assert status.startswith(b"HTTP/1.1 413 ")


def test_an_error_while_building_the_application_shows_as_itself(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    def fail(_: Settings) -> None:
        object().no_such_thing  # type: ignore[attr-defined]  # noqa: B018 - the mistake

    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setattr(main, "create_app", fail)

    with pytest.raises(Exception, match="cannot be built") as error:
        uvicorn.Config("order_desk.main:app").load()

    assert "no_such_thing" in str(error.value.__cause__)
