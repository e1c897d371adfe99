"""What fast paths take, and what goes on to the ordinary routes, which answer otherwise here."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI
from starlette.middleware import Middleware

from {{ package_name }}.database.engine import Database
from {{ package_name }}.fast.routing import (
    MAX_BODY_BYTES,
    FastPathMiddleware,
    FastPaths,
)
from {{ package_name }}.lifespan import State
from {{ package_name }}.settings import Settings
from {{ package_name }}.web.pagination import Limit

from tests.conftest import Running, client_of, make_app, running
from tests.sample import GizmoCreate, GizmoNotFound, get_gizmo_queries
from tests.support import GIZMO, assert_problem, bad_fields

PATHS = FastPaths(prefix="/gizmos")
NEW = b'{"name": "Orrery", "note": "It shows the planets."}'


@dataclass
class Answer:
    fast: str


@PATHS.get("/{gizmo_id:uuid}")
async def get_gizmo(_: Database, gizmo_id: UUID) -> Answer:
    return Answer(str(gizmo_id))


@PATHS.get("/absent")
async def get_absent(_: Database) -> Answer:
    raise GizmoNotFound


@PATHS.get("/defect")
async def get_defect(_: Database) -> Answer:
    raise ZeroDivisionError


@PATHS.get("")
async def list_gizmos(_: Database, limit: Limit = 20) -> Answer:
    return Answer(f"{limit} gizmos")


@PATHS.post("", location=lambda answer: f"/gizmos/{answer.fast}")
async def create_gizmo(_: Database, data: GizmoCreate) -> Answer:
    return Answer(data.name)


@pytest.fixture
async def app(settings: Settings) -> FastAPI:
    app = make_app(settings)
    app.user_middleware.append(Middleware(FastPathMiddleware, PATHS))
    return app


@pytest.fixture
async def client(app: FastAPI, state: State) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(app) as service, client_of(service) as client:
        yield client


async def test_valid_requests_are_taken(client: httpx2.AsyncClient) -> None:
    gizmo_id = str(uuid4())
    answers = {
        f"/{gizmo_id}": gizmo_id,
        "": "20 gizmos",
        "?limit=7": "7 gizmos",
        "?limit=%37": "7 gizmos",
    }
    for path, fast in answers.items():
        response = await client.get(f"/gizmos{path}")
        assert (response.status_code, response.json()) == (200, {"fast": fast})

    response = await client.post("/gizmos", json=GIZMO)
    assert (response.status_code, response.json()) == (201, {"fast": "Orrery"})
    assert response.headers["location"] == "/gizmos/Orrery"


async def test_bad_values_are_refused_by_the_ordinary_routes(client: httpx2.AsyncClient) -> None:
    assert bad_fields(await client.get("/gizmos?limit=0")) == ["limit"]
    assert bad_fields(await client.get("/gizmos/none")) == ["gizmo_id"]
    assert bad_fields(await client.post("/gizmos", json={"name": "x"})) == ["note"]
    assert bad_fields(await client.post("/gizmos", content=NEW)) == ["body"]


async def test_a_large_body_reaches_the_ordinary_route_whole(client: httpx2.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b" " * MAX_BODY_BYTES, b" ", NEW):
            yield chunk

    headers = {"Content-Type": "application/json"}
    response = await client.post("/gizmos", content=chunks(), headers=headers)

    assert (response.status_code, response.json()["note"]) == (201, GIZMO["note"])


async def test_errors_are_answered_like_those_of_a_route(
    client: httpx2.AsyncClient, app: FastAPI, state: State
) -> None:
    assert_problem(await client.get("/gizmos/absent"), 404, "gizmo-not-found")
    assert_problem(await client.get("/gizmos/defect"), 500, "internal-error")

    transport = httpx2.ASGITransport(app=Running(app, state))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x.test") as direct:
        with pytest.raises(ZeroDivisionError):
            await direct.get("/gizmos/defect")


async def test_overridden_dependencies_hold(client: httpx2.AsyncClient, app: FastAPI) -> None:
    app.dependency_overrides[get_gizmo_queries] = get_gizmo_queries

    assert_problem(await client.get(f"/gizmos/{uuid4()}"), 404, "gizmo-not-found")
