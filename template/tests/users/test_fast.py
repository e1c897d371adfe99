"""With and without fast paths, the service answers the same."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI

from {{ package_name }}.fast.routing import FastPath, FastPathMiddleware
from {{ package_name }}.lifespan import State
from {{ package_name }}.main import MAX_BODY_BYTES
from {{ package_name }}.settings import Settings
from {{ package_name }}.users.fast import USER
from {{ package_name }}.users.service import UserNotFound, get_user_queries

from tests.conftest import Running, client_of, make_app, running
from tests.support import assert_problem
from tests.users import ADA, create_user, create_users

OWN = {"x-request-id", "x-response-time"}
"""Headers that differ between any two responses."""


@dataclass(frozen=True)
class Sent:
    """A request; the names in brackets are ids of stored users, and the cursor of a second page."""

    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path[:60]} {(self.body or b'')[:60]!r} {self.headers or ''}"


JSON = {"Content-Type": "application/json"}
NEW = b'{"email": "new@example.com", "full_name": "Somebody New"}'


def post(body: bytes, **headers: str) -> Sent:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Sent("POST", "/users", body, JSON | named)


PAGES = [
    "",
    "?limit=1",
    "?limit=2&include=orders",
    "?limit=2&cursor=<cursor>",
    "?limit=2&cursor=<cursor>&include=orders",
    "?limit=100&unknown=1",
    "?limit=5&limit=1",
    "?limit=%201%20",
    "?limit=1.0",
    "?limit=0",
    "?limit=101",
    "?limit=x",
    "?limit=",
    "?limit=1&limit=x",
    "?limit=" + "9" * 30,
    "?limit=" + "9" * 5_000,
    "?limit=%00",
    "?limit=%ff",
    "?limit=1;cursor=x",
    "?cursor=",
    "?cursor=made-up",
    "?cursor=%C3%A9",
    "?cursor=%00",
    "?cursor=" + "x" * 1_025,
    "?cursor=made-up&limit=0",
    "?include=",
    "?include=everything",
    "?include=orders&include=everything",
    "?include=orders&limit=0",
    "?include=orders&cursor=made-up",
    "?include=None",
]
IDS = ["<ada>", "<hex>", str(UUID(int=0)), "1", "%00", "%ff", "x" * 36]
TABLE = [
    *(Sent("GET", f"/users{query}") for query in PAGES),
    *(Sent("GET", f"/users/{user_id}") for user_id in IDS),
    Sent("GET", "/users/<ada>?limit=x"),
    Sent("GET", "/users/<ada>/"),
    Sent("GET", "/users/"),
    Sent("GET", "//users"),
    Sent("GET", "/users/export"),
    Sent("GET", "/users/<ada>", b"a body", JSON),
    *(Sent(method, "/users") for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "get")),
    *(Sent(method, "/users/<ada>") for method in ("HEAD", "PUT", "POST", "OPTIONS")),
    Sent("PATCH", "/users/<ada>", b'{"full_name": "Ada King"}', JSON),
    Sent("DELETE", f"/users/{UUID(int=0)}"),
    Sent("DELETE", "/users/<fresh>"),
    post(NEW),
    post(b" \n" + NEW + b"\n"),
    post(b'{"email": "  New@Example.COM ", "full_name": " Somebody\\u0020New "}'),
    post(NEW, Content_Type="application/json; charset=utf-8"),
    post(NEW, Content_Type="application/problem+json"),
    post(NEW, Content_Type="APPLICATION/JSON"),
    post(NEW, Content_Type="text/plain"),
    post(NEW, Content_Type=""),
    Sent("POST", "/users", NEW),
    Sent("POST", "/users?limit=x", NEW, JSON),
    post(NEW.decode().encode("utf-16")),
    post(NEW.decode().encode("utf-8-sig")),
    post(NEW + b"}"),
    post(b""),
    post(b"null"),
    post(b"[]"),
    post(b'"text"'),
    post(b"{"),
    post(b"{}"),
    post(b'{"email": NaN, "full_name": Infinity}'),
    post(b'{"email": "ada@example.com", "full_name": "Ada"}'),
    post(b'{"email": "ADA@example.com", "full_name": "Ada"}'),
    post(b'{"email": "new@example.com"}'),
    post(b'{"email": "new@example.com", "full_name": "New", "admin": true}'),
    post(b'{"email": "new@example.com", "email": "last@example.com", "full_name": "New"}'),
    post(b'{"email": 1, "full_name": 2}'),
    post(b'{"email": ' + b"9" * 5_000 + b', "full_name": "New"}'),
    post(b'{"email": 1e999, "full_name": -0}'),
    post(b'{"email": "new@example.com", "full_name": "\\u0000"}'),
    post(b'{"email": "new@example.com", "full_name": "a\x00b"}'),
    post(b'{"email": "new@example.com", "full_name": "\\ud800"}'),
    post(b'{"email": "new@example.com", "full_name": "\xff"}'),
    post(b'{"email": "new@example.com", "full_name": "' + "Zoë 北京 👩‍🚀".encode() + b'"}'),
    post(b'{"email": "new@example.com", "full_name": "' + b"x" * 201 + b'"}'),
    post(b"[" * 100_000),
    post(b" " * MAX_BODY_BYTES + NEW),
    post(NEW, X_Request_ID="mine"),
    post(NEW, Accept="text/html", Origin="https://elsewhere.example"),
]


@pytest.fixture
async def ordinary(settings: Settings, state: State) -> AsyncIterator[httpx2.AsyncClient]:
    """The service as it is without ``users/fast.py``."""
    app = make_app(settings)
    middleware: list[Any] = app.user_middleware
    app.user_middleware = [each for each in middleware if each.cls is not FastPathMiddleware]
    async with running(app) as service, client_of(service) as client:
        yield client


async def answer(client: httpx2.AsyncClient, sent: Sent, values: dict[str, str]) -> dict[str, Any]:
    """Send a request, and return what does not differ between any two responses."""
    if "<fresh>" in sent.path:
        user = await create_user(client, email="fresh@example.com")
        values = {**values, "fresh": user["id"]}
    path = sent.path
    for name, value in values.items():
        path = path.replace(f"<{name}>", value)
    response = await client.request(sent.method, path, content=sent.body, headers=sent.headers)
    headers = {name: text for name, text in response.headers.items() if name not in OWN}
    text = response.text.replace(f'"{response.headers["x-request-id"]}"', '"<request>"')
    if response.status_code == 201:
        created = response.json()
        text = text.replace(created["id"], "<id>").replace(created["created_at"], "<time>")
        assert headers.pop("location") == f"/users/{created['id']}"
        assert (await client.delete(f"/users/{created['id']}")).status_code == 204
        # The last digits of a time are not written where they are zeros.
        del headers["content-length"]
    return {"status": response.status_code, "headers": headers, "body": text}


@pytest.mark.parametrize("sent", TABLE, ids=str)
async def test_answers_are_the_same(
    client: httpx2.AsyncClient, ordinary: httpx2.AsyncClient, sent: Sent
) -> None:
    ada, *_ = [await create_user(client), *await create_users(client, 4)]
    await client.post(f"/users/{ada['id']}/orders", json={"item": "Gears"})
    page = (await client.get("/users", params={"limit": 2})).json()
    values = {"ada": ada["id"], "hex": UUID(ada["id"]).hex, "cursor": page["next_cursor"]}

    answers = [await answer(each, sent, values) for each in (ordinary, client)]

    assert answers[0] == answers[1]


async def test_valid_requests_are_taken(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the table above would compare the ordinary routes with themselves."""
    taken = []
    send = FastPath.send

    async def note(path: FastPath, *args: Any) -> None:
        taken.append(path.endpoint.__name__)
        await send(path, *args)

    monkeypatch.setattr(FastPath, "send", note)
    user = await create_user(client)
    for path in (f"/{user['id']}", "?limit=1", "?include=orders", "/export"):
        assert (await client.get(f"/users{path}")).status_code == 200

    assert taken == ["create_user", "get_user", "list_users", "list_users_with_orders"]


async def test_dependency_overrides_hold(settings: Settings, state: State) -> None:
    async def get_nobody() -> None:
        raise UserNotFound

    app = make_app(settings)
    app.dependency_overrides[get_user_queries] = get_nobody
    async with running(app) as service, client_of(service) as client:
        user = await create_user(client)

        assert_problem(await client.get(f"/users/{user['id']}"), 404, "user-not-found")


async def test_failures_are_problems_and_give_everything_back(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await create_user(client)
    gates = AsyncExitStack()
    for _ in range(state["settings"].database_pool_size + state["settings"].database_max_overflow):
        await gates.enter_async_context(state["database"].read_gate)
    monkeypatch.setattr(state["database"].read_gate, "_timeout", 0.01)

    async with gates:
        response = await client.get(f"/users/{user['id']}")

    assert_problem(response, 503, "overloaded")
    assert response.headers["retry-after"] == "1"
    assert (await client.get(f"/users/{user['id']}")).status_code == 200


async def test_a_defect_is_answered_and_goes_on_to_the_server(
    settings: Settings, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(USER, "first", AsyncMock(side_effect=ZeroDivisionError))
    app = make_app(settings)
    async with running(app) as service, client_of(service) as client:
        response = await client.get(f"/users/{uuid4()}")
        transport = httpx2.ASGITransport(app=service)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x.test") as direct:
            with pytest.raises(ZeroDivisionError):
                await direct.get(f"/users/{uuid4()}")

    assert_problem(response, 500, "internal-error")


async def test_under_a_root_path_the_location_says_so(settings: Settings, state: State) -> None:
    outer = FastAPI()
    inner = make_app(settings)
    outer.mount("/shop", inner)
    async with running(inner) as service:
        transport = httpx2.ASGITransport(app=Running(outer, service.state))
        async with httpx2.AsyncClient(transport=transport, base_url="http://x.test") as client:
            response = await client.post("/shop/users", json=ADA)

            assert response.headers["location"] == f"/shop/users/{response.json()['id']}"
            read = await client.get(response.headers["location"])
            assert read.json() == response.json()
