from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.testclient import TestClient

from {{ package_name }}.settings import Settings
from {{ package_name }}.web.problems import NotFound, Problem, Unavailable

from tests.conftest import MakeClient, make_app
from tests.sample import GizmoQueries
from tests.support import GIZMO, assert_problem, bad_fields

JSON = {"content-type": "application/json"}


async def test_an_unknown_path_is_a_problem(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.get("/nowhere"), 404, "not-found")


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.put("/gizmos/bulk")

    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"name": }', b"[]", b"null", b'"text"', b'{"a": 1e999}']
)
async def test_a_body_that_is_no_object_is_a_problem(
    client: httpx2.AsyncClient, content: bytes
) -> None:
    response = await client.post("/gizmos", content=content, headers=JSON)

    assert bad_fields(response)


@pytest.mark.parametrize("content", [b'{"name": "\xff"}', b"1" * 5_000, b"[" * 100_000])
async def test_a_body_that_cannot_be_parsed_is_a_problem(
    client: httpx2.AsyncClient, content: bytes
) -> None:
    response = await client.post("/gizmos", content=content, headers=JSON)

    assert_problem(response, 400, "bad-request")


async def test_a_body_of_another_type_is_a_problem(client: httpx2.AsyncClient) -> None:
    response = await client.post("/gizmos", content=b"a=b", headers={"content-type": "text/plain"})

    assert bad_fields(response) == ["body"]


@pytest.mark.parametrize(("length", "chunks_read"), [({}, 11), ({"content-length": "1100000"}, 0)])
async def test_a_body_over_the_limit_is_a_problem(
    client: httpx2.AsyncClient, length: dict[str, str], chunks_read: int
) -> None:
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100:
            read += 1
            yield b"[" * 100_000

    response = await client.post("/gizmos", content=chunks(), headers=JSON | length)

    assert_problem(response, 413, "content-too-large")
    assert read == chunks_read


async def test_a_route_may_have_a_limit_of_its_own(client: httpx2.AsyncClient) -> None:
    gizmos = [GIZMO | {"note": "x" * 2_000_000}]

    response = await client.post("/gizmos/bulk", json={"gizmos": gizmos})

    assert bad_fields(response) == ["gizmos.0.note"]


async def test_a_field_name_that_is_no_text_is_answered(client: httpx2.AsyncClient) -> None:
    response = await client.post("/gizmos", content=b'{"\\ud800": 1}', headers=JSON)

    assert bad_fields(response)


async def test_a_problem_does_not_echo_the_value(client: httpx2.AsyncClient) -> None:
    response = await client.post("/gizmos", json=GIZMO | {"name": "hunter2\u0000"})

    assert bad_fields(response) == ["name"]
    assert "hunter2" not in response.text


async def test_a_defect_is_a_problem_that_tells_nothing(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "the secret is hunter2"
        raise RuntimeError(message)

    monkeypatch.setattr(GizmoQueries, "page", fail)
    response = await client.get("/gizmos", headers={"x-request-id": "find-me"})

    body = assert_problem(response, 500, "internal-error")
    assert body["request_id"] == "find-me"
    assert response.headers["x-response-time"].endswith("ms")
    assert "hunter2" not in response.text


async def test_a_status_without_a_name_is_kept(make_client: MakeClient) -> None:
    router = APIRouter()

    @router.get("/odd")
    async def odd() -> None:
        raise HTTPException(499, "the client has closed the request")

    async with make_client(router) as client:
        response = await client.get("/odd")

    body = assert_problem(response, 499, "http-499")
    assert body["detail"] == "the client has closed the request"


@pytest.mark.parametrize(("problem", "code"), [(NotFound, 1008), (Unavailable, 1011)])
def test_a_problem_closes_a_websocket(
    settings: Settings, problem: type[Problem], code: int
) -> None:
    router = APIRouter()

    @router.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        raise problem

    with (
        TestClient(make_app(settings, router)) as client,
        client.websocket_connect("/socket") as connection,
        pytest.raises(WebSocketDisconnect) as closed,
    ):
        connection.receive_text()

    assert (closed.value.code, closed.value.reason) == (code, problem.title)
