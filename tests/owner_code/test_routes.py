"""Every way that FastAPI and Starlette have to add a route."""

import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route

from order_desk.settings import Settings

from tests.conftest import MakeClient, client_of, make_app, running
from tests.support import assert_problem


@asynccontextmanager
async def client_for(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(app) as service, client_of(service) as client:
        yield client


async def plain(request: Request) -> Response:
    return PlainTextResponse(request.url.path)


async def test_a_router_in_a_router_in_a_router(make_client: MakeClient) -> None:
    outer, middle, inner = (APIRouter(prefix=f"/{name}") for name in ("outer", "middle", "inner"))

    @inner.get("/{number}")
    async def get_number(number: int) -> int:
        return number

    middle.include_router(inner)
    outer.include_router(middle)
    async with make_client(outer) as client:
        response = await client.get("/outer/middle/inner/7")
        wrong = await client.post("/outer/middle/inner/7")
        nowhere = await client.get("/outer/middle/none")

    assert response.json() == 7
    assert_problem(wrong, 405, "method-not-allowed")
    assert wrong.headers["allow"] == "GET"
    assert_problem(nowhere, 404, "not-found")


async def test_routes_of_starlette(settings: Settings) -> None:
    router = APIRouter(routes=[Route("/listed", plain)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        router.route("/decorated")(plain)
    router.add_route("/added", plain)
    app = make_app(settings, router)
    app.router.routes.append(Mount("/mounted", routes=[Route("/below", plain)]))
    app.router.routes.append(Host("other.test", app=FastAPI(routes=[Route("/host", plain)])))

    async with client_for(app) as client:
        for path in ("/listed", "/decorated", "/added", "/mounted/below"):
            assert (await client.get(path)).text == path
        assert (await client.get("http://other.test/host")).text == "/host"
        assert_problem(await client.post("/listed"), 405, "method-not-allowed")
        assert_problem(await client.get("/mounted/none"), 404, "not-found")


async def test_static_files(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>Hello</p>")
    app = make_app(settings)
    app.mount("/static", StaticFiles(directory=tmp_path, html=True), name="static")

    async with client_for(app) as client:
        response = await client.get("/static/index.html")
        missing = await client.get("/static/none.html")
        wrong = await client.post("/static/index.html")
        gizmos = await client.delete("/gizmos")

    assert response.text == "<p>Hello</p>"
    assert response.headers["content-type"].startswith("text/html")
    assert app.url_path_for("static", path="a.css") == "/static/a.css"
    assert_problem(missing, 404, "not-found")
    assert_problem(wrong, 405, "method-not-allowed")
    assert_problem(gizmos, 405, "method-not-allowed")


async def test_a_frontend(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>App</p>")
    router = APIRouter(prefix="/admin")
    router.frontend("/", directory=tmp_path)

    async with client_for(make_app(settings, router)) as client:
        response = await client.get("/admin/", headers={"Accept": "text/html"})
        gizmos = await client.get("/gizmos")

    assert response.text == "<p>App</p>"
    assert gizmos.status_code == 200


async def test_what_is_added_later_answers_a_wrong_method(settings: Settings) -> None:
    app = make_app(settings)
    router = APIRouter(prefix="/later")
    router.add_api_route("", plain, methods=["GET", "PUT"], response_model=None)
    app.include_router(router)
    app.mount("/sub", FastAPI())

    async with client_for(app) as client:
        later = await client.delete("/later")
        gizmos = await client.put("/gizmos")

    assert_problem(later, 405, "method-not-allowed")
    assert set(later.headers["allow"].split(", ")) == {"GET", "PUT"}
    assert_problem(gizmos, 405, "method-not-allowed")
    assert gizmos.headers["allow"]


async def test_a_route_class(make_client: MakeClient) -> None:
    class Marked(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Any]:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                response: Response = await handler(request)
                response.headers["X-Route"] = self.path
                return response

            return handle

    router = APIRouter(route_class=Marked)

    @router.get("/marked")
    async def get_marked() -> str:
        return "marked"

    async with make_client(router) as client:
        response = await client.get("/marked")

    assert response.headers["X-Route"] == "/marked"


async def test_operation_ids_of_ones_own(settings: Settings) -> None:
    named = APIRouter(prefix="/named")
    generated = APIRouter(
        prefix="/generated", generate_unique_id_function=lambda route: f"x-{route.name}"
    )

    @named.get("", operation_id="readNamed")
    async def get_named() -> None:
        """Has an id of its own."""

    @generated.get("")
    async def get_generated() -> None:
        """Has the id that the router makes."""

    schema = make_app(settings, named, generated).openapi()

    assert schema["paths"]["/named"]["get"]["operationId"] == "readNamed"
    assert schema["paths"]["/generated"]["get"]["operationId"] == "x-get_generated"


async def test_functions_of_one_name_in_two_modules(settings: Settings) -> None:
    routers = [APIRouter(prefix="/pens"), APIRouter(prefix="/inks")]
    for router in routers:

        @router.get("/{item_id}")
        async def get_item(item_id: int) -> int:
            return item_id

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with client_for(make_app(settings, *routers)) as client:
            schema = (await client.get("/openapi.json")).json()

    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert schema["paths"]["/pens/{item_id}"]["get"]["operationId"] == "get_item_pens__item_id__get"


async def test_the_lifespan_of_a_router(settings: Settings) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        events.append("start")
        yield {"greeting": "hello"}
        events.append("stop")

    async def note_event() -> None:
        events.append("event")

    router = APIRouter(lifespan=lifespan)
    old = APIRouter(on_startup=[note_event])

    @router.get("/greeting")
    async def get_greeting(request: Request) -> str:
        return str(request.state.greeting)

    app = make_app(settings, router, old)
    async with client_for(app) as client:
        greeting = await client.get("/greeting")
        gizmos = await client.get("/gizmos")

    assert greeting.json() == "hello"
    assert gizmos.status_code == 200
    assert sorted(events[:2]) == ["event", "start"]
    assert events[2:] == ["stop"]


async def test_a_route_of_the_application_itself(settings: Settings) -> None:
    app = make_app(settings)

    @app.get("/direct")
    def get_direct() -> str:
        return "in a thread"

    @app.api_route("/both", methods=["GET", "POST"], response_model=None)
    async def get_both(request: Request) -> str:
        return request.method

    async with client_for(app) as client:
        assert (await client.get("/direct")).json() == "in a thread"
        assert (await client.post("/both")).json() == "POST"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"])
async def test_every_method(make_client: MakeClient, method: str) -> None:
    router = APIRouter()
    getattr(router, method.lower())("/method", status_code=204)(lambda: None)

    async with make_client(router) as client:
        response = await client.request(method, "/method")

    assert response.status_code == 204
