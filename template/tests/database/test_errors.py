"""What a database error is answered, and what the log tells of it."""

import json

import httpx2
import pytest
import structlog
from fastapi import APIRouter
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError

from {{ package_name }}.lifespan import State
# {% if database_driver == "aiosqlite" %}
from {{ package_name }}.settings import Settings
# {% endif %}

from tests.conftest import MakeClient
from tests.sample import Gizmo
from tests.support import assert_problem, create_gizmo, database_error

# {% if postgresql %}
ANSWERS = [
    ("23503", 409, "conflict"),
    ("22001", 422, "bad-value"),
    ("57014", 504, "statement-timeout"),
    ("55P03", 503, "lock-timeout"),
    ("40P01", 503, "transaction-conflict"),
    ("53300", 503, "database-exhausted"),
    ("08006", 503, "database-unavailable"),
    ("57P01", 503, "database-unavailable"),
    ("42P01", 500, "internal-error"),
]
# {% elif database_driver == "asyncmy" %}
ANSWERS = [
    (1452, 409, "conflict"),
    (1406, 422, "bad-value"),
    (1969, 504, "statement-timeout"),
    (1205, 503, "lock-timeout"),
    (1213, 503, "transaction-conflict"),
    (1114, 503, "database-exhausted"),
    (2013, 503, "database-unavailable"),
    (1146, 500, "internal-error"),
]
# {% else %}
ANSWERS = [
    ("SQLITE_CONSTRAINT_FOREIGNKEY", 409, "conflict"),
    ("SQLITE_TOOBIG", 422, "bad-value"),
    ("SQLITE_INTERRUPT", 504, "statement-timeout"),
    ("SQLITE_BUSY", 503, "lock-timeout"),
    ("SQLITE_BUSY_SNAPSHOT", 503, "transaction-conflict"),
    ("SQLITE_FULL", 503, "database-exhausted"),
    ("SQLITE_IOERR_READ", 503, "database-unavailable"),
    ("SQLITE_ERROR", 500, "internal-error"),
]
# {% endif %}


async def answer(make_client: MakeClient, error: DBAPIError) -> httpx2.Response:
    router = APIRouter()

    @router.get("/fail")
    async def fail() -> None:
        raise error

    async with make_client(router) as client:
        return await client.get("/fail")


@pytest.mark.parametrize(("code", "status", "kind"), ANSWERS)
async def test_an_error_has_its_answer(
    make_client: MakeClient, code: str | int, status: int, kind: str
) -> None:
    response = await answer(make_client, database_error(code))

    assert_problem(response, status, kind)
    assert ("retry-after" in response.headers) == (status == 503)
# {% if database_driver != "aiosqlite" %}


async def test_a_lost_connection_is_told(make_client: MakeClient) -> None:
    error = DBAPIError(None, None, Exception(), connection_invalidated=True)

    assert_problem(await answer(make_client, error), 503, "database-unavailable")
# {% else %}


async def test_a_database_that_cannot_be_opened_is_told(
    make_client: MakeClient, settings: Settings
) -> None:
    nowhere = settings.database_url.set(database="/nowhere/service.db")
    async with make_client(database_read_url=nowhere) as client:
        response = await client.get("/gizmos")

    assert_problem(response, 503, "database-unavailable")
# {% endif %}


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (TimeoutError(), 504, "statement-timeout"),
        (ConnectionResetError(), 503, "database-unavailable"),
    ],
)
async def test_an_error_of_the_network_is_told(
    client: httpx2.AsyncClient, state: State, error: OSError, status: int, kind: str
) -> None:
    engine = state["database"].read_engine.sync_engine

    def fail(*_: object) -> None:
        raise error

    event.listen(engine, "do_execute", fail)
    try:
        response = await client.get("/gizmos")
    finally:
        event.remove(engine, "do_execute", fail)

    assert_problem(response, status, kind)
    assert (await client.get("/gizmos")).status_code == 200


async def test_the_log_tells_the_place_of_an_error_and_no_value(
    client: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    name = "x for key 'hunter2"
    await create_gizmo(client, name=name)
    capfd.readouterr()

    response = await client.post("/gizmos", json={"name": name, "note": "Again"})

    output = capfd.readouterr().out
    (line,) = [json.loads(text) for text in output.splitlines() if "database error" in text]
    assert_problem(response, 409, "conflict")
    assert (line["level"], line["fault"]) == ("warning", "duplicate")
    # {% if database_driver == "aiosqlite" %}
    assert line["constraint_name"] == "gizmos.name"
    # {% else %}
    assert line["constraint_name"] == "uq_gizmos_name"
    # {% endif %}
    assert "hunter2" not in output


async def test_the_log_of_an_error_that_nobody_handles_has_no_value_either(
    client: httpx2.AsyncClient, state: State, capfd: pytest.CaptureFixture[str]
) -> None:
    await create_gizmo(client, name="hunter2")
    with pytest.raises(IntegrityError) as raised:
        async with state["database"].write() as session:
            session.add(Gizmo(name="hunter2", note="Again"))
    capfd.readouterr()

    structlog.get_logger().error("nobody handles this", exc_info=raised.value)

    output = capfd.readouterr().out
    assert "IntegrityError" in output
    assert "hunter2" not in output
