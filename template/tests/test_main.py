from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from {{ package_name }} import main
from {{ package_name }}.main import create_app, register
from {{ package_name }}.problems import PROBLEM_RESPONSES
from {{ package_name }}.settings import Settings


def described(app: FastAPI) -> Any:
    return app.openapi()["paths"]


def test_registered_routes_are_those_of_the_routers(settings: Settings) -> None:
    included = FastAPI(
        responses=PROBLEM_RESPONSES, generate_unique_id_function=lambda route: route.name
    )
    for router in main.ROUTERS:
        included.include_router(router)

    assert described(create_app(settings)) == described(included)


def test_routes_are_registered_flat(settings: Settings) -> None:
    routes = create_app(settings).routes

    assert all(isinstance(route, Route) for route in routes)


def test_each_route_declares_its_model() -> None:
    for router in main.ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            assert route.response_model or route.status_code == 204, route.path


def test_overrides_and_body_limits_reach_registered_routes(settings: Settings) -> None:
    app = create_app(settings)

    (route,) = [route for route in app.routes if getattr(route, "path", "") == "/gizmos/bulk"]

    assert isinstance(route, APIRoute)
    assert route.dependency_overrides_provider is app
    assert route.max_body_size


def test_a_router_of_something_else_is_refused() -> None:
    router = APIRouter(routes=[Route("/plain", PlainTextResponse("plain"))])

    with pytest.raises(TypeError, match="not a path operation"):
        register(FastAPI(), router)


@pytest.mark.usefixtures("database_url")
def test_the_application_is_made_on_demand() -> None:
    assert isinstance(main.app, FastAPI)
    with pytest.raises(AttributeError, match="nothing"):
        _ = main.nothing


def test_the_framework_tells_what_an_sdk_can_take(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not create_app(settings)._telemetry["tracing"]

    monkeypatch.setattr(main, "find_spec", lambda _: object())

    assert create_app(settings)._telemetry["tracing"]
