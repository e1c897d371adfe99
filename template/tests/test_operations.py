from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx2
import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Query,
    Request,
)
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.routing import APIRoute
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from {{ package_name }}.main import register
from {{ package_name }}.operations import PlainOperation


class Color(StrEnum):
    RED = "red"


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=5, alias="itemName")
    price: float = 0


class Moved(BaseModel):
    name: str
    count: int

    @model_validator(mode="before")
    @classmethod
    def move(cls, data: dict[str, Any]) -> dict[str, Any]:
        data["name"] = data.pop("title")
        return data


class Answer(BaseModel):
    id: UUID | None = None
    limit: int = 0
    color: Color | None = None
    kind: str | None = None
    item: Item | None = None


plain = APIRouter()


@plain.get("/items/{item_id}")
async def read(
    item_id: UUID,
    limit: Annotated[int, Query(ge=1, le=9, alias="max")] = 5,
    color: Color | None = None,
    kind: Literal["a", "b"] = "a",
) -> Answer:
    return Answer(id=item_id, limit=limit, color=color, kind=kind)


@plain.get("/required")
async def require(limit: int) -> Answer:
    return Answer(limit=limit)


@plain.get("/paths/{rest:path}")
async def read_path(rest: str) -> Answer:
    return Answer(kind=rest)


@plain.post("/items", status_code=201)
async def create(data: Item, request: Request, limit: int = 5) -> Answer:
    return Answer(limit=limit, item=data, kind=request.method)


@plain.post("/moved")
async def create_moved(data: Moved) -> Answer:
    return Answer(kind=data.name, limit=data.count)


@plain.put("/maybe")
async def replace(data: Annotated[Item, Body()] = Item(itemName="none")) -> Answer:  # noqa: B008 - as an owner may write it
    return Answer(item=data)


@plain.get("/response", response_model=Answer)
async def respond() -> Response:
    return PlainTextResponse("own", status_code=202)


@plain.get("/dictionary", response_model=Answer)
async def answer_dictionary() -> dict[str, object]:
    return {"limit": "7", "unknown": 1}


@plain.get("/wrong/{rest:path}", response_model=Answer)
async def answer_wrongly(rest: str) -> dict[str, object]:
    return {"limit": rest}


class Filters(BaseModel):
    limit: int = 5


async def two() -> int:
    return 2


other = APIRouter()


@other.get("/dependency")
async def depend(limit: Annotated[int, Depends(two)]) -> Answer:
    return Answer(limit=limit)


@other.get("/dependencies", dependencies=[Depends(two)])
async def depend_silently() -> Answer:
    return Answer()


@other.get("/header")
async def read_header(x_limit: Annotated[int, Header()]) -> Answer:
    return Answer(limit=x_limit)


@other.get("/several")
async def read_several(limits: Annotated[list[int], Query()]) -> Answer:
    return Answer(limit=sum(limits))


@other.get("/model")
async def read_model(filters: Annotated[Filters, Query()]) -> Answer:
    return Answer(limit=filters.limit)


@other.get("/validated")
async def read_validated(limit: Annotated[int, Query(validate_default=True, ge=9)] = 1) -> Answer:
    return Answer(limit=limit)


@other.get("/factory")
async def read_made(limit: Annotated[int, Query(default_factory=lambda: 3)]) -> Answer:
    return Answer(limit=limit)


@other.get("/aliases")
async def read_by_any_name(
    limit: Annotated[int, Query(validation_alias=AliasChoices("limit", "max"))],
) -> Answer:
    return Answer(limit=limit)


@other.get("/tasks")
async def run_later(tasks: BackgroundTasks) -> Answer:
    tasks.add_task(two)
    return Answer()


@other.get("/headers")
async def set_header(response: Response) -> Answer:
    response.headers["X-Own"] = "1"
    return Answer()


@other.post("/embedded")
async def create_embedded(data: Annotated[Item, Body(embed=True)]) -> Answer:
    return Answer(item=data)


@other.post("/two")
async def create_two(data: Item, more: Item) -> Answer:
    return Answer(item=data, kind=more.name)


@other.post("/optional")
async def create_perhaps(data: Item | None = None) -> Answer:
    return Answer(item=data)


@other.post("/list")
async def create_list(data: list[Item]) -> Answer:
    return Answer(limit=len(data))


@other.get("/sync")
def read_in_thread(limit: int = 5) -> Answer:
    return Answer(limit=limit)


@other.get("/include", response_model_include={"limit"})
@other.get("/include-nothing", response_model_include=set())
@other.get("/exclude", response_model_exclude={"limit"})
@other.get("/exclude-unset", response_model_exclude_unset=True)
@other.get("/exclude-defaults", response_model_exclude_defaults=True)
@other.get("/exclude-none", response_model_exclude_none=True)
@other.get("/by-name", response_model_by_alias=False)
async def answer_in_part() -> Answer:
    return Answer(limit=1, item=Item(itemName="a"))


@other.get("/class", response_class=PlainTextResponse, response_model=None)
async def answer_text_without_model() -> str:
    return "text"


@other.get("/text", response_class=PlainTextResponse)
async def answer_text() -> str:
    return "text"


@other.get("/bare")
async def answer_bare():  # type: ignore[no-untyped-def]  # noqa: ANN201 - as an owner may write it
    return {"limit": 1}


@other.delete("/nothing", status_code=204)
async def delete() -> None:
    pass


lax = APIRouter(strict_content_type=False)


@lax.post("/any-type")
async def take_any_type(data: Item) -> Answer:
    return Answer(item=data)


documented = APIRouter()


@documented.get(
    "/told",
    summary="Sum",
    description="Text",
    response_description="Done",
    deprecated=True,
    openapi_extra={"x-own": 1},
    callbacks=plain.routes,
)
async def tell() -> Answer:
    """Leave this out."""
    return Answer()


@documented.get("/hidden", include_in_schema=False)
async def hide() -> Answer:
    return Answer()


def test_what_a_route_says_is_documented() -> None:
    ours = FastAPI()
    theirs = FastAPI(generate_unique_id_function=lambda route: route.name)
    register(ours, documented)
    theirs.include_router(documented)

    assert ours.openapi() == theirs.openapi()


def routes_of(router: APIRouter) -> list[APIRoute]:
    return [route for route in router.routes if isinstance(route, APIRoute)]


def path_of(route: APIRoute) -> str:
    return route.path


@pytest.fixture
async def clients() -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Give one of our routes, and one of the framework's."""
    handlers: dict[int | type[Exception], Any] = {RequestValidationError: tell_error}
    ours, theirs = FastAPI(exception_handlers=handlers), FastAPI(exception_handlers=handlers)
    for router in (plain, other, lax):
        register(ours, router)
        theirs.include_router(router)
    async with client_of(ours) as own, client_of(theirs) as usual:
        yield own, usual


async def tell_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return PlainTextResponse(repr((error.errors(), error.body, str(error))), status_code=422)


def client_of(app: ASGIApp) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, root_path="/api")
    return httpx2.AsyncClient(transport=transport, base_url="http://test/api")


@pytest.mark.parametrize("route", routes_of(plain), ids=path_of)
def test_a_plain_operation_is_one(route: APIRoute) -> None:
    assert PlainOperation.of(route) is not None


@pytest.mark.parametrize("route", routes_of(other), ids=path_of)
def test_what_needs_more_is_none(route: APIRoute) -> None:
    assert PlainOperation.of(route) is None


ID = "/items/0b6f7c51-8c6a-4a69-9a49-4f9c6d9b7a11"
JSON = {"content-type": "application/json"}

REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", ID, {}),
    ("GET", f"{ID}?max=7&color=red&kind=b", {}),
    ("GET", f"{ID}?max=1&max=2&unknown=1", {}),
    ("GET", f"{ID}?max=0", {}),
    ("GET", f"{ID}?max=&color=blue", {}),
    ("GET", "/items/7?kind=c", {}),
    ("GET", "/required", {}),
    ("GET", "/required?limit=3", {}),
    ("GET", "/paths/a/b%20c", {}),
    ("POST", "/items", {"json": {"itemName": "a", "price": 2}}),
    ("POST", "/items?limit=x", {"json": {"itemName": "a"}}),
    ("POST", "/items", {"json": {"itemName": "too long", "other": 1}}),
    ("POST", "/items", {"json": [1]}),
    ("POST", "/items", {"headers": JSON, "content": b"null"}),
    ("POST", "/items", {"headers": JSON}),
    ("POST", "/items", {"headers": JSON, "content": b"{"}),
    ("POST", "/items", {"headers": JSON, "content": b"\xff"}),
    ("POST", "/items", {"content": b'{"itemName": "a"}'}),
    ("POST", "/items", {"headers": {"content-type": "text/plain"}, "content": b"{}"}),
    *[
        ("POST", "/items", {"headers": {"content-type": media}, "content": b'{"itemName": "a"}'})
        for media in ("application/json; charset=utf-8", "application/x+json", "APPLICATION/JSON ;")
    ],
    ("POST", "/moved", {"json": {"title": "a", "count": 1}}),
    ("POST", "/moved", {"json": {"title": "a", "count": "many"}}),
    ("POST", "/optional", {}),
    ("POST", "/optional", {"json": {"itemName": "a"}}),
    ("PUT", "/maybe", {}),
    ("PUT", "/maybe", {"json": {"itemName": "a"}}),
    ("GET", "/response", {}),
    ("GET", "/dictionary", {}),
    ("GET", "/dependency", {}),
    ("GET", "/dependencies", {}),
    ("GET", "/header", {"headers": {"x-limit": "4"}}),
    ("GET", "/several?limits=1&limits=2", {}),
    ("GET", "/model?limit=4", {}),
    ("GET", "/validated", {}),
    ("GET", "/factory", {}),
    ("GET", "/aliases?max=4", {}),
    ("GET", "/tasks", {}),
    ("GET", "/headers", {}),
    ("POST", "/embedded", {"json": {"data": {"itemName": "a"}}}),
    ("POST", "/two", {"json": {"data": {"itemName": "a"}, "more": {"itemName": "b"}}}),
    ("POST", "/list", {"json": [{"itemName": "a"}]}),
    ("GET", "/sync?limit=2", {}),
    *[("GET", f"/include{rest}", {}) for rest in ("", "-nothing")],
    *[("GET", f"/exclude{rest}", {}) for rest in ("", "-unset", "-defaults", "-none")],
    ("GET", "/by-name", {}),
    ("GET", "/class", {}),
    ("POST", "/any-type", {"content": b'{"itemName": "a"}'}),
    ("GET", "/text", {}),
    ("GET", "/bare", {}),
    ("DELETE", "/nothing", {}),
    ("PATCH", "/items", {}),
]


@pytest.mark.parametrize(("method", "path", "options"), REQUESTS)
async def test_answers_are_those_of_the_framework(
    clients: tuple[httpx2.AsyncClient, httpx2.AsyncClient],
    method: str,
    path: str,
    options: dict[str, Any],
) -> None:
    own, usual = [await client.request(method, path, **options) for client in clients]

    assert (own.status_code, own.content) == (usual.status_code, usual.content)
    assert own.headers.multi_items() == usual.headers.multi_items()


async def test_a_wrong_result_is_told_with_its_endpoint(
    clients: tuple[httpx2.AsyncClient, httpx2.AsyncClient],
) -> None:
    errors = []
    for client in clients:
        with pytest.raises(ResponseValidationError) as caught:
            await client.get("/wrong/number")
        errors.append(str(caught.value))

    own, usual = errors
    assert "in answer_wrongly" in own
    assert own == usual


async def test_a_body_that_is_too_large_is_not_read_on() -> None:
    reads: list[str] = []
    app = FastAPI()
    register(app, plain)

    async def bounded(scope: Scope, _receive: Receive, send: Send) -> None:
        async def receive() -> Message:
            reads.append(scope["method"])
            raise HTTPException(413)

        await app(scope, receive, send)

    async with client_of(bounded) as client:
        response = await client.post("/items", json={"itemName": "a"})

    assert (response.status_code, reads) == (413, ["POST"])


async def test_the_framework_runs_what_telemetry_is_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[str] = []

    async def respond(_self: PlainOperation, _request: Request) -> None:
        steps.append("plain")

    monkeypatch.setattr(PlainOperation, "respond", respond)
    app = FastAPI()
    register(app, plain)

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "fastapi.telemetry": None}, receive, send)

    for each in (app, observed):
        async with client_of(each) as client:
            await client.get("/required?limit=1")

    assert steps == ["plain"]
