"""No route is open by mistake."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from {{ package_name }}.auth.dependencies import (
    CurrentUserDep,
    allow_everybody,
    get_current_user,
    needs_scope,
)
from {{ package_name }}.main import create_app
from {{ package_name }}.settings import Settings

GUARDS = {get_current_user, allow_everybody}


def unguarded(app: FastAPI) -> list[str]:
    """Return the routes that neither ask who the caller is nor are marked ``PUBLIC``.

    The pages of the documentation are open. A mounted application guards itself, and is named here
    unless it is one of ``MOUNTED``. FastAPI does not list the files of ``frontend()``: they are
    open where their router asks for nothing.
    """
    documentation = {app.openapi_url, app.docs_url, app.redoc_url}
    documentation.add(app.swagger_ui_oauth2_redirect_url)
    return [
        str(route.path)
        for route in iter_route_contexts(app.routes)
        if route.path not in {*documentation, *MOUNTED}
        and GUARDS.isdisjoint(calls_of(getattr(route, "dependant", None)))
    ]


MOUNTED: set[str] = set()
"""Paths of mounted applications and files that you have looked at."""


def calls_of(dependant: Any) -> Iterator[Any]:
    """Yield whatever is called before an endpoint."""
    for dependency in dependant.dependencies if dependant else ():
        yield dependency.call
        yield from calls_of(dependency)


def test_every_route_is_guarded_or_public(settings: Settings) -> None:
    assert unguarded(create_app(settings)) == []


def test_the_search_finds_what_is_open(settings: Settings) -> None:
    router = APIRouter(prefix="/more")
    router.add_api_route("/open", lambda: None)
    router.add_api_route("/hidden", lambda: None, include_in_schema=False)
    router.add_api_websocket_route("/socket", lambda: None)

    @router.get("/guarded")
    async def guarded(user: CurrentUserDep) -> None: ...

    app = create_app(settings)
    app.include_router(router)
    app.mount("/files", FastAPI())

    assert unguarded(app) == ["/more/open", "/more/hidden", "/more/socket", "/files"]


def test_the_documentation_says_what_a_route_needs(settings: Settings) -> None:
    app = create_app(settings)
    app.add_api_route("/scoped", lambda: None, dependencies=[needs_scope("a", "b")])

    schema = app.openapi()

    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert schema["paths"]["/scoped"]["get"]["security"] == [{"bearer": ["a", "b"]}]
    assert schema["paths"]["/me"]["get"]["security"] == [{"bearer": []}]
