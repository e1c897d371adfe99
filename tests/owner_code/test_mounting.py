"""The application in another one, without its lifespan, and behind a proxy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import ASGIApp

from order_desk.settings import Settings

from tests.conftest import client_of, make_app, running
from tests.support import GIZMO, create_gizmo

USER = {"email": "ada@example.com", "full_name": "Ada"}

SENTENCE = "the lifespan of this application has not run"


def client_to(app: ASGIApp, root_path: str = "") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, root_path=root_path)
    return httpx2.AsyncClient(transport=transport, base_url="http://service.test")


async def check_without_lifespan(client: httpx2.AsyncClient, prefix: str = "") -> None:
    for path in ("/docs", "/openapi.json", "/health/live"):
        assert (await client.get(prefix + path)).status_code == 200
    assert (await client.get(f"{prefix}/nowhere")).status_code == 404
    for path in ("/gizmos", "/health/ready"):
        with pytest.raises(RuntimeError, match=SENTENCE):
            await client.get(prefix + path)


async def test_without_its_lifespan_it_serves_what_it_can(settings: Settings) -> None:
    async with client_to(make_app(settings)) as client:
        await check_without_lifespan(client)


async def test_mounted_naively_it_serves_what_it_can(settings: Settings) -> None:
    outer = FastAPI()
    outer.mount("/v1", make_app(settings))
    async with client_to(outer) as client:
        await check_without_lifespan(client, "/v1")


@pytest.mark.usefixtures("state")
async def test_mounted_with_its_lifespan(settings: Settings) -> None:
    app = make_app(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Any]:
        async with app.router.lifespan_context(app) as state:
            yield state

    outer = FastAPI(lifespan=lifespan)
    outer.mount("/v1", app)
    async with running(outer) as service, client_of(service) as client:
        created = await client.post("/v1/users", json=USER)
        found = await client.get(created.headers["location"])
        schema = (await client.get("/v1/openapi.json")).json()
        wrong = await client.put("/v1/gizmos")

    assert created.status_code == 201
    assert created.headers["location"] == f"/v1/users/{created.json()['id']}"
    assert found.json() == created.json()
    assert schema["servers"] == [{"url": "/v1"}]
    assert wrong.status_code == 405


async def test_behind_a_proxy_that_strips_a_prefix(settings: Settings) -> None:
    app = make_app(settings)
    async with running(app) as service:
        transport = httpx2.ASGITransport(app=service, root_path="/api")
        async with httpx2.AsyncClient(transport=transport, base_url="http://a.test") as client:
            created = await client.post("/users", json=USER)
            schema = (await client.get("/openapi.json")).json()
            await client.delete(f"/users/{created.json()['id']}")

    assert created.headers["location"] == f"/api/users/{created.json()['id']}"
    assert schema["servers"] == [{"url": "/api"}]


def test_the_client_of_fastapi_runs_the_lifespan(settings: Settings) -> None:
    app = make_app(settings)
    with TestClient(app) as client:
        created = client.post("/gizmos", json=GIZMO)
        assert created.status_code == 201
        assert client.delete(f"/gizmos/{created.json()['id']}").status_code == 204
    with pytest.raises(RuntimeError, match=SENTENCE):
        TestClient(app).get("/gizmos")


@pytest.mark.usefixtures("state")
async def test_another_application_below(settings: Settings) -> None:
    app = make_app(settings)
    below = FastAPI()

    @below.get("/items")
    async def get_items() -> list[str]:
        return ["one"]

    app.mount("/below", below)
    async with running(app) as service, client_of(service) as client:
        assert (await client.get("/below/items")).json() == ["one"]
        assert (await client.get("/below/openapi.json")).json()["servers"] == [{"url": "/below"}]
        assert (await client.get("/below/none")).status_code == 404
        assert await create_gizmo(client)
