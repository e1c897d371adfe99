import httpx2
import pytest
from fastapi import FastAPI

from {{ package_name }} import main
from {{ package_name }}.main import create_app
from {{ package_name }}.settings import Settings

from tests.conftest import make_app


def test_each_operation_has_an_id_of_its_own(settings: Settings) -> None:
    paths = create_app(settings).openapi()["paths"]

    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.usefixtures("database_url")
def test_the_application_is_made_on_demand() -> None:
    assert isinstance(main.app, FastAPI)
    with pytest.raises(AttributeError, match="nothing"):
        _ = main.nothing


@pytest.mark.usefixtures("database_url")
def test_what_goes_wrong_in_create_app_shows_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Settings) -> FastAPI:
        raise AttributeError(name="oops")

    monkeypatch.setattr(main, "create_app", fail)
    with pytest.raises(RuntimeError) as error:
        _ = main.app

    assert getattr(error.value.__cause__, "name", None) == "oops"


async def test_what_needs_no_resource_works_without_the_lifespan(settings: Settings) -> None:
    transport = httpx2.ASGITransport(app=make_app(settings))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service.test") as client:
        response = await client.get("/openapi.json")
        with pytest.raises(RuntimeError, match="the lifespan of this application has not run"):
            await client.get("/gizmos")

    assert response.status_code == 200
