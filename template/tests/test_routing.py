import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message

from {{ package_name }}.main import register
from {{ package_name }}.routing import ServiceRequest

router = APIRouter()


async def swallowed() -> AsyncIterator[None]:
    with suppress(LookupError):
        yield


@router.get("/swallowed")
async def fail(_: Annotated[None, Depends(swallowed)]) -> None:
    raise LookupError


@router.post("/echo")
async def echo(request: Request) -> list[str]:
    streamed = b"".join([piece async for piece in request.stream()])
    return [streamed.decode(), request.query_params.get("name", "nobody")]


@router.post("/body")
async def take(_: dict[str, int]) -> None:
    raise KeyError


async def break_off() -> AsyncIterator[bytes]:
    yield b"1"
    raise KeyError


@router.get("/broken")
async def begin() -> StreamingResponse:
    return StreamingResponse(break_off())


@router.delete("/", status_code=204)
async def delete() -> None:
    pass


async def tell_body(request: Request, _error: Exception) -> Response:
    return PlainTextResponse(await request.body())


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI(exception_handlers={KeyError: tell_body})
    register(app, router)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_an_error_that_a_dependency_keeps_is_an_error(client: httpx2.AsyncClient) -> None:
    with pytest.raises(RuntimeError, match="/swallowed"):
        await client.get("/swallowed")


@pytest.mark.parametrize(("query", "name"), [("", "nobody"), ("?", "nobody"), ("?name=Ada", "Ada")])
async def test_an_endpoint_reads_the_request_itself(
    client: httpx2.AsyncClient, query: str, name: str
) -> None:
    response = await client.post(f"/echo{query}", content="body")

    assert response.json() == ["body", name]


async def test_a_handler_of_errors_gets_the_body(client: httpx2.AsyncClient) -> None:
    response = await client.post("/body", json={"a": 1})

    assert response.text == '{"a":1}'


async def test_an_answer_that_has_begun_is_not_replaced(client: httpx2.AsyncClient) -> None:
    with pytest.raises(RuntimeError, match="already started"):
        await client.get("/broken")


async def test_what_has_no_body_has_no_length(client: httpx2.AsyncClient) -> None:
    response = await client.delete("/")

    assert (response.content, response.headers.get("content-length")) == (b"", None)


def request_of(*messages: Message) -> ServiceRequest:
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    return ServiceRequest({"type": "http", "headers": []}, receive)


PIECES: list[Message] = [
    {"type": "http.request", "body": b"[1, ", "more_body": True},
    {"type": "http.request", "more_body": True},
    {"type": "http.request", "body": b"2]"},
]


async def test_a_body_is_put_together() -> None:
    request = request_of(*PIECES)

    assert await request.body() == b"[1, 2]"
    assert await request.json() == [1, 2]
    assert [piece async for piece in request.stream()] == [b"[1, 2]", b""]


DOCUMENTS = [
    '{"a": [1, -0, 1.5, 1e999, -Infinity, true, null, "\\u00e9\\ud83d\\ude00"], "a": 2}',
    "123456789012345678901234567890",
    '"\\ud800"',
    "[" * 300 + "]" * 300,
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", DOCUMENTS)
async def test_json_is_what_python_takes_it_for(text: str, encoding: str) -> None:
    body = text.encode(encoding)

    value = await request_of({"type": "http.request", "body": body}).json()

    assert repr(value) == repr(json.loads(body))


async def test_what_is_no_json_is_an_error_of_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        await request_of({"type": "http.request", "body": b'{"a": }'}).json()


async def test_a_body_without_its_end_is_none() -> None:
    request = request_of(*PIECES[:2], {"type": "http.disconnect"})

    with pytest.raises(ClientDisconnect):
        await request.body()


async def test_a_body_that_broke_off_is_not_read_on() -> None:
    request = request_of(PIECES[0], {"type": "http.disconnect"}, PIECES[2])
    with pytest.raises(ClientDisconnect):
        await request.body()

    with pytest.raises(RuntimeError, match="consumed"):
        await request.body()


async def test_a_body_is_read_once() -> None:
    request = request_of(*PIECES)
    async for _ in request.stream():
        pass

    with pytest.raises(RuntimeError, match="consumed"):
        await request.body()
