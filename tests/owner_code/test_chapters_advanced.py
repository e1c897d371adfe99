"""One test for each chapter of the Advanced User Guide and the recipes of FastAPI.

WebSockets, lifespan, sub-applications and proxies, telemetry and limits of bodies have files of
their own.
"""

import gzip
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, cast
from uuid import uuid4

import httpx2
import pytest
from a2wsgi import WSGIMiddleware
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request, Response, Security
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from fastapi.routing import APIRoute
from fastapi.security import (
    APIKeyHeader,
    HTTPBasic,
    HTTPBasicCredentials,
    OAuth2PasswordBearer,
    SecurityScopes,
)
from fastapi.templating import Jinja2Templates
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, HttpUrl
from pydantic_settings import BaseSettings
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from order_desk.lifespan import State
from order_desk.settings import Settings

from tests.conftest import MakeClient, client_of, make_app, running
from tests.sample import GizmoQueries, get_gizmo_queries
from tests.support import assert_problem

router = APIRouter(prefix="/a")


@pytest.fixture
async def client(make_client: MakeClient) -> AsyncIterator[httpx2.AsyncClient]:
    async with make_client(router) as client:
        yield client


class Item(BaseModel):
    name: str


class Message(BaseModel):
    message: str


class PngResponse(StreamingResponse):
    media_type = "image/png"


@router.get("/image", response_class=PngResponse)
def stream_image() -> Iterator[bytes]:
    yield b"\x89PNG"
    yield b"rest"


async def test_stream_data(client: httpx2.AsyncClient) -> None:
    response = await client.get("/a/image")

    assert (response.headers["content-type"], response.content) == ("image/png", b"\x89PNGrest")


@router.get("/hidden", include_in_schema=False)
async def get_hidden() -> str:
    return "hidden"


@router.post("/raw", openapi_extra={"x-owner": {"any": "thing"}})
async def read_raw(request: Request) -> int:
    return len(await request.body())


async def test_path_operation_advanced_configuration(client: httpx2.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()

    assert "/a/hidden" not in schema["paths"]
    assert schema["paths"]["/a/raw"]["post"]["x-owner"] == {"any": "thing"}
    assert (await client.post("/a/raw", content=b"abc")).json() == 3


@router.put("/upsert/{item_id}", response_model=Item)
async def upsert(item_id: str, response: Response, *, direct: bool = False) -> Any:
    if item_id == "new" and direct:
        return JSONResponse({"name": item_id}, HTTPStatus.CREATED)
    if item_id == "new":
        response.status_code = HTTPStatus.CREATED
    return {"name": item_id}


async def test_additional_and_changed_status_codes(client: httpx2.AsyncClient) -> None:
    assert (await client.put("/a/upsert/old")).status_code == 200
    for path in ("/a/upsert/new", "/a/upsert/new?direct=1"):
        response = await client.put(path)
        assert (response.status_code, response.json()) == (201, {"name": "new"})


@router.get("/xml", response_class=Response)
async def get_xml() -> Response:
    return Response("<a/>", media_type="application/xml")


@router.get("/html", response_class=HTMLResponse)
async def get_html() -> str:
    return "<p>Hello</p>"


@router.get("/text", response_class=PlainTextResponse)
async def get_text() -> str:
    return "Hello"


@router.get("/moved", response_class=RedirectResponse, status_code=302)
async def get_moved() -> str:
    return "https://example.com"


@router.get("/file", response_class=FileResponse)
async def get_file() -> str:
    return __file__


class Shouting(Response):
    media_type = "text/shout"

    def render(self, content: Any) -> bytes:
        return str(content).upper().encode()


@router.get("/shout", response_class=Shouting)
async def get_shout() -> str:
    return "hello"


async def test_custom_responses(client: httpx2.AsyncClient) -> None:
    async def get(path: str) -> tuple[str, str]:
        response = await client.get(path)
        return response.headers["content-type"].partition(";")[0], response.text

    assert await get("/a/xml") == ("application/xml", "<a/>")
    assert await get("/a/html") == ("text/html", "<p>Hello</p>")
    assert await get("/a/text") == ("text/plain", "Hello")
    assert await get("/a/shout") == ("text/shout", "HELLO")
    assert (await client.get("/a/moved")).headers["location"] == "https://example.com"
    file = await client.get("/a/file", headers={"Range": "bytes=0-2"})
    assert (file.status_code, file.text) == (206, '"""')


@router.get(
    "/responses",
    responses={404: {"model": Message}, 200: {"content": {"image/png": {}}}},
)
async def get_responses() -> Item:
    return Item(name="x")


async def test_additional_responses(client: httpx2.AsyncClient) -> None:
    responses = (await client.get("/openapi.json")).json()["paths"]["/a/responses"]["get"][
        "responses"
    ]

    message = responses["404"]["content"]["application/json"]["schema"]
    assert message == {"$ref": "#/components/schemas/Message"}
    assert set(responses["200"]["content"]) == {"application/json", "image/png"}
    assert "application/problem+json" in responses["default"]["content"]


@router.get("/cookies")
async def set_cookie(response: Response) -> None:
    response.set_cookie("session", "value", httponly=True)
    response.set_cookie("second", "value")
    response.headers["X-Cat-Dog"] = "alone"


@router.get("/cookies/direct")
async def set_cookie_directly() -> Response:
    response = JSONResponse({}, headers={"X-Cat-Dog": "alone"})
    response.set_cookie("session", "value")
    return response


async def test_response_cookies_and_headers(client: httpx2.AsyncClient) -> None:
    for path, cookies in (
        ("/a/cookies", {"session", "second"}),
        ("/a/cookies/direct", {"session"}),
    ):
        response = await client.get(path)
        assert set(response.cookies) == cookies
        assert response.headers["X-Cat-Dog"] == "alone"
        assert response.headers["X-Request-ID"]
        client.cookies.clear()


class Checker:
    def __init__(self, fixed: str) -> None:
        self.fixed = fixed

    def __call__(self, q: str = "") -> bool:
        return self.fixed in q


@router.get("/checks")
async def read_check(has: Annotated[bool, Depends(Checker("bar"))]) -> bool:
    return has


RUNNING: list[int] = [0, 0]


async def count_running() -> AsyncIterator[int]:
    RUNNING[0] += 1
    RUNNING[1] = max(RUNNING)
    yield RUNNING[0]
    RUNNING[0] -= 1


@router.get("/limited")
async def read_limited(number: Annotated[int, Depends(count_running, max_concurrency=1)]) -> int:
    return number


async def test_advanced_dependencies(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/a/checks?q=foobar")).json() is True
    assert (await client.get("/a/limited")).json() == 1
    assert (await client.get("/a/limited")).json() == 1
    assert RUNNING == [0, 1]


scheme = OAuth2PasswordBearer(tokenUrl="token", scopes={"me": "Yours.", "items": "Items."})


async def get_user(scopes: SecurityScopes, token: Annotated[str, Depends(scheme)]) -> str:
    missing = [scope for scope in scopes.scopes if scope not in token.split(",")]
    if missing:
        header = f'Bearer scope="{scopes.scope_str}"'
        raise HTTPException(401, headers={"WWW-Authenticate": header})
    return token


async def get_active_user(user: Annotated[str, Security(get_user, scopes=["me"])]) -> str:
    return user


@router.get("/scopes")
async def read_scopes(user: Annotated[str, Security(get_active_user, scopes=["items"])]) -> str:
    return user


async def test_oauth2_scopes(client: httpx2.AsyncClient) -> None:
    fine = await client.get("/a/scopes", headers={"Authorization": "Bearer me,items"})
    wrong = await client.get("/a/scopes", headers={"Authorization": "Bearer me"})

    assert fine.json() == "me,items"
    assert_problem(wrong, 401, "unauthorized")
    assert wrong.headers["www-authenticate"] == 'Bearer scope="items me"'


BasicDep = Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]
KeyDep = Annotated[str, Depends(APIKeyHeader(name="X-Key"))]


@router.get("/basic")
async def read_basic(credentials: BasicDep) -> str:
    if not secrets.compare_digest(credentials.password, "secret"):
        raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})
    return credentials.username


@router.get("/key")
async def read_key(key: KeyDep) -> str:
    return key


async def test_http_basic_auth_and_keys(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/a/basic", auth=("ada", "secret"))).json() == "ada"
    assert (await client.get("/a/key", headers={"X-Key": "k"})).json() == "k"
    for wrong in (await client.get("/a/basic", auth=("ada", "x")), await client.get("/a/basic")):
        assert_problem(wrong, 401, "unauthorized")
        assert wrong.headers["www-authenticate"] == "Basic"
    assert (await client.get("/a/key")).status_code == 401


@router.get("/request")
async def read_request(request: Request) -> dict[str, Any]:
    request.state.mark = "mark"
    return {
        "host": request.client and request.client.host,
        "url": str(request.url),
        "mark": request.state.mark,
        "timeout": request.state.settings.request_timeout,
        "id": request.state.request_id,
    }


async def test_using_the_request_directly(client: httpx2.AsyncClient) -> None:
    response = await client.get("/a/request?q=1")

    assert response.json() == {
        "host": "127.0.0.1",
        "url": "http://service.test/a/request?q=1",
        "mark": "mark",
        "timeout": 30,
        "id": response.headers["X-Request-ID"],
    }


@dataclass
class Author:
    name: str
    items: list[Item] = field(default_factory=list)


@router.post("/authors")
async def create_author(author: Author) -> Author:
    return author


async def test_using_dataclasses(client: httpx2.AsyncClient) -> None:
    body = {"name": "ada", "items": [{"name": "one"}]}

    assert (await client.post("/a/authors", json=body)).json() == body


async def test_advanced_middleware(settings: Settings) -> None:
    app = make_app(settings, router)
    app.add_middleware(GZipMiddleware, minimum_size=100)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["service.test"])
    async with running(app) as service, client_of(service) as client:
        schema = await client.get("/openapi.json")
        other = await client.get("http://other.test/a/text")

    assert schema.headers["content-encoding"] == "gzip"
    assert schema.json()["openapi"]
    assert other.status_code == 400


async def test_templates(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "item.html").write_text("<h1>{{ name }}</h1>{{ url_for('read_page', name='b') }}")
    templates = Jinja2Templates(directory=tmp_path)
    pages = APIRouter()

    # A template is a file, which is read in a thread.
    @pages.get("/pages/{name}", response_class=HTMLResponse)
    def read_page(request: Request, name: str) -> Response:
        return templates.TemplateResponse(request, "item.html", {"name": name})

    async with running(make_app(settings, pages)) as service, client_of(service) as client:
        response = await client.get("/pages/a<")

    assert response.text == "<h1>a&lt;</h1>http://service.test/pages/b"


async def test_lifespan_events(settings: Settings) -> None:
    app = make_app(settings)
    inner = app.router.lifespan_context
    events: list[str] = []

    def around(app: FastAPI) -> Any:
        events.append("start")
        return inner(app)

    app.router.lifespan_context = around
    async with running(app) as service:
        assert service.state["settings"] == settings
    assert events == ["start"]


def test_testing_events_and_overrides(settings: Settings) -> None:
    app = make_app(settings)

    class Fake(GizmoQueries):
        def __init__(self) -> None:
            """Need no session."""

        async def page(self, **_: Any) -> Any:
            return {"items": [], "next_cursor": "fake"}

    app.dependency_overrides[get_gizmo_queries] = Fake
    with TestClient(app) as client:
        assert client.get("/gizmos").json() == {"items": [], "next_cursor": "fake"}
    app.dependency_overrides = {}
    with TestClient(app) as client:
        assert client.get("/gizmos").json()["next_cursor"] is None


class OwnSettings(BaseSettings):
    admin_email: str = "admin@example.com"


@lru_cache
def get_own_settings() -> OwnSettings:
    return OwnSettings()


@router.get("/settings")
async def read_settings(settings: Annotated[OwnSettings, Depends(get_own_settings)]) -> str:
    return settings.admin_email


async def test_settings_and_environment(settings: Settings) -> None:
    app = make_app(settings, router)
    app.dependency_overrides[get_own_settings] = lambda: OwnSettings(admin_email="a@b.test")
    async with running(app) as service, client_of(service) as client:
        assert (await client.get("/a/settings")).json() == "a@b.test"


callbacks = APIRouter()


@callbacks.post("{$callback_url}/invoices/{$request.body.id}")
async def notify(body: Message) -> Item:
    """Is answered by the client."""
    return Item(name=body.message)


@router.post("/invoices", callbacks=callbacks.routes)
async def create_invoice(name: Annotated[str, Body()], callback_url: HttpUrl) -> str:
    return f"{name} {callback_url}"


async def test_openapi_callbacks_and_webhooks(settings: Settings) -> None:
    app = make_app(settings, router)

    @app.webhooks.post("new-subscription")
    async def new_subscription(body: Message) -> None:
        """Is sent to the client."""

    async with running(app) as service, client_of(service) as client:
        schema = (await client.get("/openapi.json")).json()
        created = await client.post("/a/invoices?callback_url=http://a.test/", json="x")

    assert created.json() == "x http://a.test/"
    assert "notify" in schema["paths"]["/a/invoices"]["post"]["callbacks"]
    assert "new-subscription" in schema["webhooks"]


async def test_including_wsgi(settings: Settings) -> None:
    def legacy(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    app = make_app(settings)
    app.mount("/legacy", cast(ASGIApp, WSGIMiddleware(legacy)))
    async with running(app) as service, client_of(service) as client:
        response = await client.get("/legacy/page")

    assert response.text in {"/page", "/legacy/page"}
    assert response.headers["X-Request-ID"]


async def test_generating_clients(settings: Settings) -> None:
    schema = make_app(settings, router).openapi()

    operations = [
        operation
        for path in schema["paths"].values()
        for name, operation in path.items()
        if name in {"get", "put", "post", "delete", "patch"}
    ]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids)) > 20
    assert all("default" in operation["responses"] for operation in operations)


class GzipRequest(Request):
    async def body(self) -> bytes:
        body = await super().body()
        return gzip.decompress(body) if "gzip" in self.headers.getlist("Content-Encoding") else body


class GzipRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Any]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            response: Response = await handler(GzipRequest(request.scope, request.receive))
            return response

        return handle


async def test_custom_request_and_route(make_client: MakeClient) -> None:
    zipped = APIRouter(route_class=GzipRoute)

    @zipped.post("/sum")
    async def add(numbers: Annotated[list[int], Body()]) -> int:
        return sum(numbers)

    async with make_client(zipped) as client:
        response = await client.post(
            "/sum",
            content=gzip.compress(b"[1, 2, 3]"),
            headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
        )

    assert response.json() == 6


class Blob(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    data: bytes


@router.post("/blobs")
async def create_blob(blob: Blob) -> Blob:
    return blob


async def test_json_with_bytes_as_base64(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/a/blobs", json={"data": "AQID"})).json() == {"data": "AQID"}


async def test_strict_content_type(make_client: MakeClient) -> None:
    lax = APIRouter(strict_content_type=False)

    @lax.post("/lax")
    async def take(item: Item) -> str:
        return item.name

    async with make_client(router, lax) as client:
        fine = await client.post("/lax", content=b'{"name": "x"}')
        strict = await client.post("/a/blobs", content=b'{"data": "AQID"}')

    assert fine.json() == "x"
    assert_problem(strict, 422, "validation-error")


async def test_extending_openapi_and_the_docs(settings: Settings) -> None:
    app = make_app(settings)
    openapi = app.openapi

    def extended() -> dict[str, Any]:
        return {**openapi(), "x-owner": "yes"}

    app.openapi = extended  # type: ignore[method-assign]  # as the documentation has it

    @app.get("/own-docs", include_in_schema=False)
    async def own_docs() -> HTMLResponse:
        return get_swagger_ui_html(openapi_url="/openapi.json", title="Own")

    async with running(app) as service, client_of(service) as client:
        assert (await client.get("/openapi.json")).json()["x-owner"] == "yes"
        assert "<title>Own</title>" in (await client.get("/own-docs")).text


async def test_async_tests(client: httpx2.AsyncClient, state: State) -> None:
    missing = await client.get(f"/gizmos/{uuid4()}")

    assert_problem(missing, 404, "gizmo-not-found")
    assert state["settings"].request_timeout == 30
