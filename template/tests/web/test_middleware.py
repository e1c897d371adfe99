import json
from collections.abc import AsyncIterator

import httpx2
import pytest
import structlog
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.routing import Mount

from {{ package_name }}.main import list_middleware
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


async def test_browsers_are_allowed_by_their_origin(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GizmoQueries, "page", None)
    async with make_client(cors_origins="https://a.test, https://b.test") as client:
        failed = await client.get("/gizmos", headers={"Origin": "https://b.test"})
        refused = await client.get("/nowhere", headers={"Origin": "https://c.test"})

    assert_problem(failed, 500, "internal-error")
    assert failed.headers["access-control-allow-origin"] == "https://b.test"
    assert "X-Request-ID" in failed.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in refused.headers


def test_the_middleware_is_in_order(settings: Settings) -> None:
    layers = list_middleware(settings.model_copy(update={"cors_origins": ["*"]}))

    names = [getattr(layer.cls, "__name__", "") for layer in layers]
    ours = ["CORSMiddleware", "RequestIdMiddleware", "ResponseTimeMiddleware"]
    ours += ["RequestLogMiddleware", "DeadlineMiddleware", "ProblemMiddleware"]
    assert list(dict.fromkeys(name for name in names if name in ours)) == ours
    assert "CORSMiddleware" not in str(list_middleware(settings))


async def test_a_request_is_logged_with_the_template_of_its_path(
    make_client: MakeClient, capfd: pytest.CaptureFixture[str]
) -> None:
    inner, outer = APIRouter(prefix="/inner"), APIRouter()

    @inner.get("/{number:int}")
    async def get_number(number: int) -> int:
        return number

    outer.include_router(inner, prefix="/v{version}/{tenant:int}")
    outer.include_router(inner, prefix="/again/{folder:path}")
    outer.mount("/texts", PlainTextResponse("text"))
    outer.mount("/files", Starlette(routes=[Mount("/old", PlainTextResponse("old"))]))
    expected = {
        "/v1/7/inner/1": "/v{version}/{tenant}/inner/{number}",
        "/v2/007/inner/007": "/v{version}/{tenant}/inner/{number}",
        "/again/a/b/inner/1": "/again/{folder}/inner/{number}",
        "/texts/1": "/texts/{path}",
        "/files/old/a": "/old/{path}",
        "/openapi.json": "/openapi.json",
        "/gizmos": "/gizmos",
        "/nowhere": "",
    }
    async with make_client(outer) as client:
        for path in expected:
            await client.get(path)

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    routes = {line["path"]: line["route"] for line in lines if line["event"] == "request"}
    assert routes == expected


async def test_a_request_is_logged_with_its_id(
    client: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    await client.get("/gizmos?secret=1", headers={"X-Request-ID": "find-me"})

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["request_id"], line["method"], line["status"]) == ("find-me", "GET", 200)
    assert line["path"] == "/gizmos"
    assert line["milliseconds"] > 0


async def test_what_one_request_binds_to_its_log_lines_is_in_no_other(
    make_client: MakeClient, capfd: pytest.CaptureFixture[str]
) -> None:
    router = APIRouter()

    @router.get("/binding")
    async def bind() -> None:
        structlog.contextvars.bind_contextvars(invoice=7)

    async with make_client(router) as client:
        await client.get("/binding")
        await client.get("/gizmos")

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    bound = [line.get("invoice") for line in lines if line["event"] == "request"]
    assert bound == [7, None]


async def test_a_response_header_that_http_forbids_is_a_defect(make_client: MakeClient) -> None:
    router = APIRouter()

    @router.get("/split")
    async def split(response: Response) -> None:
        response.headers["X-Split"] = "a\r\nSet-Cookie: b=c"

    async with make_client(router) as client:
        response = await client.get("/split")

    assert_problem(response, 500, "internal-error")
    assert "Set-Cookie" not in response.headers


async def test_what_fails_after_the_head_is_not_answered_again(make_client: MakeClient) -> None:
    router = APIRouter()

    @router.get("/broken")
    async def broken() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"as far as it came"
            raise RuntimeError

        return StreamingResponse(chunks())

    async with make_client(router) as client:
        response = await client.get("/broken")

    assert (response.status_code, response.text) == (200, "as far as it came")
