"""One test for each chapter of the Tutorial - User Guide in FastAPI's documentation.

Streams, events and background tasks are in `test_streams.py`, static files and the frontend in
`test_routes.py`; the SQL databases of that guide are what the service itself is about.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx2
import pytest
from fastapi import (
    APIRouter,
    Body,
    Cookie,
    Depends,
    File,
    Form,
    Header,
    HTTPException,
    Path,
    Query,
    Request,
    Response,
    UploadFile,
)
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from pydantic import AfterValidator, BaseModel, Field, HttpUrl
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from order_desk.settings import Settings

from tests.conftest import MakeClient, client_of, make_app, running
from tests.support import assert_problem, bad_fields

router = APIRouter(prefix="/t")


@pytest.fixture
async def client(make_client: MakeClient) -> AsyncIterator[httpx2.AsyncClient]:
    async with make_client(router) as client:
        yield client


@router.get("/")
async def root() -> dict[str, str]:
    return {"message": "Hello World"}


async def test_first_steps(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/t/")).json() == {"message": "Hello World"}
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await client.get(path)).status_code == 200
    redirect = await client.get("/t")
    assert (redirect.status_code, redirect.headers["location"]) == (307, "http://service.test/t/")


class ModelName(StrEnum):
    ALEXNET = "alexnet"
    RESNET = "resnet"


@router.get("/models/{name}")
async def get_model(name: ModelName) -> ModelName:
    return name


@router.get("/files/{file_path:path}")
async def read_path(file_path: str) -> str:
    return file_path


@router.get("/items/me")
async def read_my_item() -> str:
    return "mine"


@router.get("/items/{item_id}")
async def read_item(item_id: int) -> int:
    return item_id


async def test_path_parameters(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/t/items/3")).json() == 3
    assert (await client.get("/t/items/me")).json() == "mine"
    assert (await client.get("/t/models/alexnet")).json() == "alexnet"
    assert (await client.get("/t/files//home/a.txt")).json() == "/home/a.txt"
    assert bad_fields(await client.get("/t/items/foo")) == ["item_id"]
    assert bad_fields(await client.get("/t/models/foo")) == ["name"]


@router.get("/query")
async def read_query(
    needy: str, skip: int = 0, limit: int | None = None, *, short: bool = False
) -> list[Any]:
    return [needy, skip, limit, short]


async def test_query_parameters(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/t/query?needy=a&short=yes")).json() == ["a", 0, None, True]
    assert bad_fields(await client.get("/t/query?skip=x")) == ["needy", "skip"]


class Item(BaseModel):
    name: str = Field(examples=["Foo"])
    description: str | None = Field(default=None, max_length=300)
    price: float = Field(gt=0)
    tax: float | None = None


@router.put("/bodies/{item_id}")
async def put_item(item_id: int, item: Item, q: str | None = None) -> dict[str, Any]:
    return {"item_id": item_id, "q": q, **item.model_dump()}


async def test_request_body(client: httpx2.AsyncClient) -> None:
    body = {"name": "Foo", "price": 1.5}

    response = await client.put("/t/bodies/3?q=x", json=body)

    assert response.json() == {
        "item_id": 3,
        "q": "x",
        "description": None,
        "tax": None,
        **body,
    }
    assert bad_fields(await client.put("/t/bodies/3", json={"name": 1})) == ["name", "price"]
    broken = await client.put(
        "/t/bodies/3", content="{", headers={"Content-Type": "application/json"}
    )
    assert bad_fields(broken) == ["body"]


def check_id(value: str) -> str:
    if not value.startswith("isbn-"):
        message = "must start with isbn-"
        raise ValueError(message)
    return value


@router.get("/strings")
async def read_strings(
    q: Annotated[
        str,
        Query(alias="item-query", min_length=3, max_length=5, pattern="^f", deprecated=True),
    ] = "fixed",
    names: Annotated[list[str], Query()] = [],  # noqa: B006 - as the documentation has it
    isbn: Annotated[str, AfterValidator(check_id)] = "isbn-1",
    hidden: Annotated[str | None, Query(include_in_schema=False)] = None,
) -> list[Any]:
    return [q, names, isbn, hidden]


async def test_query_parameters_and_string_validations(client: httpx2.AsyncClient) -> None:
    response = await client.get("/t/strings?item-query=foo&names=a&names=b&hidden=x")
    wrong = await client.get("/t/strings?item-query=bar&isbn=1")

    assert response.json() == ["foo", ["a", "b"], "isbn-1", "x"]
    assert bad_fields(wrong) == ["item-query", "isbn"]


@router.get("/numbers/{number}")
async def read_number(
    number: Annotated[int, Path(title="The number", ge=1, le=1000)],
    size: Annotated[float, Query(gt=0, lt=10.5)] = 1,
) -> float:
    return number * size


async def test_path_parameters_and_numeric_validations(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/t/numbers/2?size=1.5")).json() == 3
    assert bad_fields(await client.get("/t/numbers/0?size=11")) == ["number", "size"]


class FilterParams(BaseModel):
    model_config = {"extra": "forbid"}

    limit: int = Field(100, gt=0, le=100)
    order_by: Literal["created_at", "updated_at"] = "created_at"
    tags: list[str] = []


@router.get("/filters")
async def read_filters(query: Annotated[FilterParams, Query()]) -> FilterParams:
    return query


async def test_query_parameter_models(client: httpx2.AsyncClient) -> None:
    response = await client.get("/t/filters?limit=10&tags=a&tags=b")

    assert response.json() == {"limit": 10, "order_by": "created_at", "tags": ["a", "b"]}
    assert bad_fields(await client.get("/t/filters?limit=0&tool=x")) == ["limit", "tool"]


class Owner(BaseModel):
    username: str


@router.put("/many/{item_id}")
async def put_many(
    item_id: int,
    item: Item,
    owner: Owner,
    importance: Annotated[int, Body(gt=0)],
) -> list[Any]:
    return [item_id, item.name, owner.username, importance]


@router.put("/embedded")
async def put_embedded(item: Annotated[Item, Body(embed=True)]) -> str:
    return item.name


async def test_body_multiple_parameters(client: httpx2.AsyncClient) -> None:
    item = {"name": "Foo", "price": 1}
    body = {"item": item, "owner": {"username": "ada"}, "importance": 5}

    assert (await client.put("/t/many/3", json=body)).json() == [3, "Foo", "ada", 5]
    assert (await client.put("/t/embedded", json={"item": item})).json() == "Foo"
    wrong = await client.put("/t/many/3", json={"item": {"price": 0}, "importance": 0})
    assert bad_fields(wrong) == ["item.name", "item.price", "owner", "importance"]


class Image(BaseModel):
    url: HttpUrl
    name: str


class Offer(BaseModel):
    tags: set[str]
    images: list[Image]
    weights: dict[int, float]


@router.post("/offers")
async def create_offer(offer: Offer) -> Offer:
    return offer


@router.post("/images")
async def create_images(images: list[Image]) -> int:
    return len(images)


async def test_body_nested_models(client: httpx2.AsyncClient) -> None:
    image = {"url": "http://a.test/a.png", "name": "a"}
    body = {"tags": ["a", "a"], "images": [image], "weights": {"1": 2.5}}

    response = await client.post("/t/offers", json=body)
    wrong = await client.post("/t/offers", json={**body, "images": [image, {"url": "x"}]})

    assert response.json() == {**body, "tags": ["a"]}
    assert bad_fields(wrong) == ["images.1.url", "images.1.name"]
    assert (await client.post("/t/images", json=[image, image])).json() == 2


class Example(BaseModel):
    model_config = {"json_schema_extra": {"examples": [{"name": "Foo"}]}}

    name: str


@router.post("/examples")
async def create_example(
    example: Annotated[Example, Body(openapi_examples={"normal": {"value": {"name": "A"}}})],
) -> None:
    """Declare examples."""


async def test_declare_request_example_data(client: httpx2.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()

    assert schema["components"]["schemas"]["Example"]["examples"] == [{"name": "Foo"}]
    content = schema["paths"]["/t/examples"]["post"]["requestBody"]["content"]
    assert content["application/json"]["examples"] == {"normal": {"value": {"name": "A"}}}


class Extra(BaseModel):
    uuid: UUID
    day: date
    moment: datetime
    hour: time
    span: timedelta
    names: frozenset[str]
    data: bytes
    price: Decimal


@router.put("/extra")
async def put_extra(extra: Extra) -> Extra:
    return extra


async def test_extra_data_types(client: httpx2.AsyncClient) -> None:
    body = {
        "uuid": "8a5bd4ad-7e37-4d84-b3a2-1f1ed1a2f0a5",
        "day": "2026-01-02",
        "moment": "2026-01-02T03:04:05Z",
        "hour": "03:04:05",
        "span": "PT1H",
        "names": ["a"],
        "data": "text",
        "price": "1.10",
    }

    assert (await client.put("/t/extra", json=body)).json() == body


@router.get("/cookies")
async def read_cookie(ads_id: Annotated[str | None, Cookie()] = None) -> str | None:
    return ads_id


class Cookies(BaseModel):
    session_id: str
    tracker: str | None = None


@router.get("/cookie-models")
async def read_cookies(cookies: Annotated[Cookies, Cookie()]) -> Cookies:
    return cookies


async def test_cookie_parameters_and_models(client: httpx2.AsyncClient) -> None:
    headers = {"Cookie": "ads_id=x; session_id=s"}

    assert (await client.get("/t/cookies", headers=headers)).json() == "x"
    response = await client.get("/t/cookie-models", headers=headers)
    assert response.json() == {"session_id": "s", "tracker": None}
    assert bad_fields(await client.get("/t/cookie-models")) == ["session_id"]


@router.get("/headers")
async def read_headers(
    user_agent: Annotated[str, Header()], x_token: Annotated[list[str] | None, Header()] = None
) -> list[Any]:
    return [user_agent, x_token]


class CommonHeaders(BaseModel):
    host: str
    save_data: bool
    x_tag: list[str] = []


@router.get("/header-models")
async def read_header_model(headers: Annotated[CommonHeaders, Header()]) -> CommonHeaders:
    return headers


async def test_header_parameters_and_models(client: httpx2.AsyncClient) -> None:
    headers = [("User-Agent", "me"), ("X-Token", "a"), ("X-Token", "b"), ("Save-Data", "true")]

    assert (await client.get("/t/headers", headers=headers)).json() == ["me", ["a", "b"]]
    response = await client.get("/t/header-models", headers=headers)
    assert response.json() == {"host": "service.test", "save_data": True, "x_tag": []}
    assert bad_fields(await client.get("/t/header-models")) == ["save-data"]


class UserBase(BaseModel):
    username: str
    note: str | None = None


class UserIn(UserBase):
    password: str


class UserInDB(UserBase):
    hashed_password: str


class Plane(BaseModel):
    type: Literal["plane"] = "plane"
    size: int


class Car(BaseModel):
    type: Literal["car"] = "car"


@router.post("/users", status_code=HTTPStatus.CREATED)
async def create_user(user: UserIn) -> UserBase:
    return user


@router.post("/users/stored", response_model=UserBase, response_model_exclude_unset=True)
async def store_user(user: UserIn) -> Any:
    stored = UserInDB(
        **user.model_dump(exclude={"password"}, exclude_unset=True), hashed_password="secret"
    )
    return stored if user.note else stored.model_dump(exclude_unset=True)


@router.get("/users/name", response_model_include={"username"})
async def get_user_name() -> UserIn:
    return UserIn(username="ada", password="secret")


@router.get("/vehicles/{name}", response_model=Plane | Car)
async def get_vehicle(name: str) -> Any:
    return {"type": name, "size": 3}


@router.get("/portal")
async def get_portal(*, teleport: bool = False) -> Response:
    if teleport:
        return RedirectResponse(url="https://example.com")
    return JSONResponse({"message": "Here"})


@router.get("/none", response_model=None)
async def get_either(*, plain: bool = False) -> Response | dict[str, str]:
    return PlainTextResponse("plain") if plain else {"message": "model"}


async def test_response_model(client: httpx2.AsyncClient) -> None:
    created = await client.post("/t/users", json={"username": "ada", "password": "secret"})
    assert (created.status_code, created.json()) == (201, {"username": "ada", "note": None})
    stored = await client.post("/t/users/stored", json={"username": "ada", "password": "secret"})
    assert stored.json() == {"username": "ada"}
    assert (await client.get("/t/users/name")).json() == {"username": "ada"}
    assert (await client.get("/t/portal")).json() == {"message": "Here"}
    assert (await client.get("/t/portal?teleport=1")).status_code == 307
    assert (await client.get("/t/none?plain=1")).text == "plain"
    assert (await client.get("/t/none")).json() == {"message": "model"}


async def test_extra_models(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/t/vehicles/plane")).json() == {"type": "plane", "size": 3}
    assert (await client.get("/t/vehicles/car")).json() == {"type": "car"}


@router.delete("/statuses", status_code=204)
async def delete_status() -> None:
    """Have no body."""


async def test_response_status_code(client: httpx2.AsyncClient) -> None:
    response = await client.delete("/t/statuses")

    assert (response.status_code, response.content) == (204, b"")


class LoginForm(BaseModel):
    username: str
    password: str
    model_config = {"extra": "forbid"}


@router.post("/login")
async def login(username: Annotated[str, Form()], password: Annotated[str, Form()]) -> str:
    return f"{username}:{len(password)}"


@router.post("/login-model")
async def login_by_model(data: Annotated[LoginForm, Form()]) -> str:
    return data.username


async def test_form_data_and_models(client: httpx2.AsyncClient) -> None:
    form = {"username": "ada", "password": "secret"}

    assert (await client.post("/t/login", data=form)).json() == "ada:6"
    assert (await client.post("/t/login-model", data=form)).json() == "ada"
    assert bad_fields(await client.post("/t/login", data={"username": "a"})) == ["password"]
    wrong = await client.post("/t/login-model", data={**form, "more": "x"})
    assert bad_fields(wrong) == ["more"]


@router.post("/file")
async def create_file(file: Annotated[bytes, File()]) -> int:
    return len(file)


@router.post("/uploads")
async def upload(files: list[UploadFile]) -> list[tuple[str | None, int]]:
    return [(file.filename, len(await file.read())) for file in files]


@router.post("/mixed")
async def upload_mixed(
    file: Annotated[bytes, File()],
    token: Annotated[str, Form()],
    optional: UploadFile | None = None,
) -> list[Any]:
    return [len(file), token, optional and optional.content_type]


async def test_request_files_and_forms(client: httpx2.AsyncClient) -> None:
    several = [("files", ("a.txt", b"abc")), ("files", ("b.txt", b"x" * 500_000))]

    assert (await client.post("/t/file", files={"file": b"abc"})).json() == 3
    uploaded = await client.post("/t/uploads", files=several)
    assert uploaded.json() == [["a.txt", 3], ["b.txt", 500_000]]
    files: dict[str, Any] = {"file": b"abc", "optional": ("a.json", b"{}", "application/json")}
    mixed = await client.post("/t/mixed", files=files, data={"token": "t"})
    assert mixed.json() == [3, "t", "application/json"]
    large = await client.post("/t/file", files={"file": b"x" * 2_000_000})
    assert_problem(large, 413, "content-too-large")


class UnicornError(Exception):
    def __init__(self, name: str) -> None:
        self.name = name


@router.get("/unicorns/{name}")
async def read_unicorn(name: str) -> str:
    if name == "yolo":
        raise UnicornError(name)
    raise HTTPException(404, detail="No such unicorn", headers={"X-Error": "There goes it"})


async def test_handling_errors(settings: Settings) -> None:
    app = make_app(settings, router)

    @app.exception_handler(UnicornError)
    async def handle_unicorn(_: Request, error: UnicornError) -> JSONResponse:
        return JSONResponse({"message": f"{error.name} did something"}, 418)

    @app.exception_handler(RequestValidationError)
    async def handle_validation(_: Request, error: RequestValidationError) -> PlainTextResponse:
        return PlainTextResponse("; ".join(fault["msg"] for fault in error.errors()), 400)

    async with running(app) as service, client_of(service) as client:
        unicorn = await client.get("/t/unicorns/yolo")
        missing = await client.get("/t/unicorns/other")
        wrong = await client.get("/t/items/foo")

    assert (unicorn.status_code, unicorn.json()) == (418, {"message": "yolo did something"})
    assert assert_problem(missing, 404, "not-found")["detail"] == "No such unicorn"
    assert missing.headers["X-Error"] == "There goes it"
    assert (wrong.status_code, wrong.headers["content-type"][:10]) == (400, "text/plain")


@router.get(
    "/configured",
    tags=["configured", ModelName.RESNET],
    summary="A summary",
    description="A description",
    response_description="The configured",
    deprecated=True,
)
async def get_configured() -> None:
    """Not shown."""


async def test_path_operation_configuration(client: httpx2.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()

    operation = schema["paths"]["/t/configured"]["get"]
    assert operation["tags"] == ["configured", "resnet"]
    assert (operation["summary"], operation["description"]) == ("A summary", "A description")
    assert operation["responses"]["200"]["description"] == "The configured"
    assert operation["deprecated"] is True
    assert "default" in operation["responses"]


STORED: dict[str, Any] = {"name": "Foo", "price": 1.5, "description": "old"}


class ItemPatch(BaseModel):
    name: str | None = None
    description: str | None = None
    price: float | None = None


@router.patch("/updates")
async def patch_item(patch: ItemPatch) -> Item:
    stored = Item(**STORED)
    updated = stored.model_copy(update=patch.model_dump(exclude_unset=True))
    STORED.update(jsonable_encoder(updated))
    return updated


async def test_json_compatible_encoder_and_body_updates(client: httpx2.AsyncClient) -> None:
    response = await client.patch("/t/updates", json={"price": 2, "description": None})

    assert response.json() == {"name": "Foo", "description": None, "price": 2, "tax": None}
    assert STORED["price"] == 2


async def common(q: str | None = None, skip: int = 0) -> dict[str, Any]:
    return {"q": q, "skip": skip}


CommonDep = Annotated[dict[str, Any], Depends(common)]


class CommonQuery:
    def __init__(self, common: CommonDep, limit: int = 100) -> None:
        self.common = common
        self.limit = limit


CLOSED: list[str] = []


def get_thread_resource(name: str = "thread") -> Iterator[str]:
    try:
        yield name
    except ValueError:
        CLOSED.append("error seen")
        raise
    finally:
        CLOSED.append(name)


async def get_resource(thread: Annotated[str, Depends(get_thread_resource)]) -> AsyncIterator[str]:
    yield f"{thread} and task"
    CLOSED.append("task")


async def require_key(x_key: Annotated[str, Header()]) -> str:
    if x_key != "key":
        raise HTTPException(400, detail="X-Key header invalid")
    return x_key


@router.get("/dependencies")
async def read_common(common: CommonDep) -> dict[str, Any]:
    return common


@router.get("/dependencies/classes")
async def read_class(query: Annotated[CommonQuery, Depends()]) -> list[Any]:
    return [query.common, query.limit]


@router.get("/dependencies/decorators", dependencies=[Depends(require_key)])
async def read_guarded() -> str:
    return "guarded"


@router.get("/dependencies/yield")
async def read_resource(resource: Annotated[str, Depends(get_resource)]) -> str:
    if "fails" in resource:
        raise ValueError(resource)
    return resource


async def test_dependencies(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/t/dependencies?q=a")).json() == {"q": "a", "skip": 0}
    response = await client.get("/t/dependencies/classes?skip=1&limit=2")
    assert response.json() == [{"q": None, "skip": 1}, 2]


async def test_dependencies_in_decorators_and_global(settings: Settings) -> None:
    app = make_app(settings, router)
    guarded = APIRouter(prefix="/guarded", dependencies=[Depends(require_key)])
    guarded.add_api_route("/one", root)
    app.include_router(guarded)
    later = APIRouter(prefix="/later")
    later.add_api_route("/one", root)
    app.include_router(later, dependencies=[Depends(require_key)])
    async with running(app) as service, client_of(service) as client:
        for path in ("/t/dependencies/decorators", "/guarded/one", "/later/one"):
            assert (await client.get(path, headers={"X-Key": "key"})).status_code == 200
            wrong = await client.get(path, headers={"X-Key": "other"})
            assert_problem(wrong, 400, "bad-request")
            assert bad_fields(await client.get(path)) == ["x-key"]


async def test_dependencies_with_yield(client: httpx2.AsyncClient) -> None:
    CLOSED.clear()
    assert (await client.get("/t/dependencies/yield")).json() == "thread and task"
    assert CLOSED == ["task", "thread"]
    CLOSED.clear()
    failed = await client.get("/t/dependencies/yield?name=fails")
    assert_problem(failed, 500, "internal-error")
    assert CLOSED == ["error seen", "fails"]


PASSWORD = "secret"
scheme = OAuth2PasswordBearer(tokenUrl="t/token")


class Account(BaseModel):
    username: str
    disabled: bool = False


ACCOUNTS = {"ada": Account(username="ada"), "bob": Account(username="bob", disabled=True)}


async def get_account(token: Annotated[str, Depends(scheme)]) -> Account:
    account = ACCOUNTS.get(token)
    if account is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return account


async def get_active_account(account: Annotated[Account, Depends(get_account)]) -> Account:
    if account.disabled:
        raise HTTPException(400, detail="Inactive user")
    return account


@router.post("/token")
async def create_token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    if form.password != PASSWORD:
        raise HTTPException(400, detail="Incorrect username or password")
    return {"access_token": form.username, "token_type": "bearer"}


@router.get("/me")
async def read_me(account: Annotated[Account, Depends(get_active_account)]) -> Account:
    return account


async def test_security(client: httpx2.AsyncClient) -> None:
    def bearer(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    form = {"grant_type": "password", "username": "ada", "password": "secret"}
    token = (await client.post("/t/token", data=form)).json()["access_token"]
    wrong = await client.post("/t/token", data={**form, "password": "x"})

    assert (await client.get("/t/me", headers=bearer(token))).json()["username"] == "ada"
    assert_problem(wrong, 400, "bad-request")
    assert_problem(await client.get("/t/me", headers=bearer("bob")), 400, "bad-request")
    for headers in ({}, bearer("nobody")):
        refused = await client.get("/t/me", headers=headers)
        assert_problem(refused, 401, "unauthorized")
        assert refused.headers["www-authenticate"] == "Bearer"
    schema = (await client.get("/openapi.json")).json()
    assert schema["paths"]["/t/me"]["get"]["security"] == [{"OAuth2PasswordBearer": []}]


async def test_middleware_and_cors(settings: Settings) -> None:
    app = make_app(settings, router)

    @app.middleware("http")
    async def add_header(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["X-Owner"] = "yes"
        return response

    class Second(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            request.state.second = True
            return await call_next(request)

    app.add_middleware(Second)
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.test"], allow_methods=["*"])
    origin = {"Origin": "https://a.test"}
    preflight = {**origin, "Access-Control-Request-Method": "PUT"}
    async with running(app) as service, client_of(service) as client:
        response = await client.get("/t/", headers=origin)
        allowed = await client.options("/t/", headers=preflight)
        failed = await client.get("/t/dependencies/yield?name=fails", headers=origin)

    assert response.headers["X-Owner"] == "yes"
    assert response.headers["access-control-allow-origin"] == "https://a.test"
    assert "PUT" in allowed.headers["access-control-allow-methods"]
    assert_problem(failed, 500, "internal-error")


async def test_bigger_applications(settings: Settings) -> None:
    admin = APIRouter()
    admin.add_api_route("/", root)
    app = make_app(settings)
    app.include_router(
        admin,
        prefix="/admin",
        tags=["admin"],
        responses={418: {"description": "I'm a teapot"}},
    )
    app.include_router(admin, prefix="/v2/admin")
    async with running(app) as service, client_of(service) as client:
        assert (await client.get("/admin/")).json() == {"message": "Hello World"}
        assert (await client.get("/v2/admin/")).status_code == 200
        schema = (await client.get("/openapi.json")).json()

    operation = schema["paths"]["/admin/"]["get"]
    assert operation["tags"] == ["admin"]
    assert operation["responses"]["418"]["description"] == "I'm a teapot"


async def test_metadata_and_docs_urls(settings: Settings) -> None:
    app = make_app(settings)
    app.title, app.version, app.summary = "Owner", "2.5.0", "A summary"
    app.contact = {"name": "Ada"}
    app.openapi_tags = [{"name": "users", "description": "Operations with users"}]
    async with running(app) as service, client_of(service) as client:
        schema = (await client.get("/openapi.json")).json()

    assert schema["info"] == {
        "title": "Owner",
        "summary": "A summary",
        "contact": {"name": "Ada"},
        "version": "2.5.0",
    }
    assert schema["tags"] == app.openapi_tags
