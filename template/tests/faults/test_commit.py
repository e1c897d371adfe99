"""A success is answered when the write is committed, and only then."""

# {% if database_driver == "aiosqlite" %}
from uuid import uuid4

# {% endif %}
# {% if postgresql %}
import pytest
# {% endif %}
from fastapi import APIRouter
from sqlalchemy import text
from starlette.types import Message

from {{ package_name }}.database.dependencies import WriteSessionDep
from {{ package_name }}.lifespan import State
from {{ package_name }}.web.serialization import dumps

from tests.conftest import Running, client_of
from tests.faults.conftest import MakeService
# {% if database_driver == "aiosqlite" %}
from tests.sample import Cog, Gizmo
# {% else %}
from tests.sample import Gizmo
# {% endif %}
from tests.support import GIZMO, assert_problem, names_of_gizmos

CREATE_GIZMO = {
    "type": "http",
    "method": "POST",
    "path": "/gizmos",
    "query_string": b"",
    "headers": [(b"content-type", b"application/json")],
}


async def test_the_row_is_there_when_the_answer_begins(service: Running, state: State) -> None:
    seen: list[list[str]] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": dumps(GIZMO)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 201
            seen.append(await names_of_gizmos(state))

    await service({**CREATE_GIZMO}, receive, send)

    assert seen == [[GIZMO["name"]]]


async def test_a_row_that_is_deleted_before_its_change_is_a_conflict(
    make_service: MakeService,
) -> None:
    router = APIRouter()

    @router.post("/stale")
    async def change_too_late(session: WriteSessionDep) -> None:
        gizmo = Gizmo(**GIZMO)
        session.add(gizmo)
        await session.flush()
        await session.execute(text("DELETE FROM gizmos"))
        gizmo.note = "Nobody"
        await session.flush()

    async with make_service(router) as service, client_of(service) as client:
        response = await client.post("/stale")

    assert_problem(response, 409, "conflict")


async def test_a_client_that_leaves_before_its_body_is_complete_writes_nothing(
    make_service: MakeService, state: State
) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": dumps(GIZMO), "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_: Message) -> None:
        pass

    async with make_service() as service:
        await service({**CREATE_GIZMO}, receive, send)

    assert not messages
    assert await names_of_gizmos(state) == []
# {% if postgresql %}


FAILING_COMMITS = [
    ("23514", 409, "conflict"),
    ("53100", 503, "database-exhausted"),
]


@pytest.mark.parametrize(("state_of_commit", "status", "kind"), FAILING_COMMITS)
async def test_a_commit_that_fails_is_no_success(
    make_service: MakeService, state: State, state_of_commit: str, status: int, kind: str
) -> None:
    async with state["database"].write() as session:
        await session.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state_of_commit}'; END $$"
            )
        )
        await session.execute(
            text(
                "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON gizmos"
                " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        )
    try:
        async with make_service() as service, client_of(service) as client:
            response = await client.post("/gizmos", json=GIZMO)
    finally:
        async with state["database"].write() as session:
            await session.execute(text("DROP FUNCTION refuse() CASCADE"))

    assert_problem(response, status, kind)
    assert await names_of_gizmos(state) == []
# {% elif database_driver == "asyncmy" %}


async def test_a_full_disk_is_told_and_leaves_nothing(
    make_service: MakeService, state: State
) -> None:
    async with state["database"].write() as session:
        await session.execute(
            text(
                "CREATE TRIGGER refuse AFTER INSERT ON gizmos FOR EACH ROW"
                " SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021"
            )
        )
    try:
        async with make_service() as service, client_of(service) as client:
            response = await client.post("/gizmos", json=GIZMO)
    finally:
        async with state["database"].write() as session:
            await session.execute(text("DROP TRIGGER refuse"))

    assert_problem(response, 503, "database-exhausted")
    assert await names_of_gizmos(state) == []
# {% else %}


async def test_a_commit_that_fails_is_no_success(make_service: MakeService, state: State) -> None:
    router = APIRouter()

    @router.post("/cogs")
    async def create_cog_of_nothing(session: WriteSessionDep) -> None:
        await session.execute(text("PRAGMA defer_foreign_keys = ON"))
        session.add(Gizmo(**GIZMO))
        session.add(Cog(gizmo_id=uuid4()))
        await session.flush()

    async with make_service(router) as service, client_of(service) as client:
        response = await client.post("/cogs")

    assert_problem(response, 409, "conflict")
    assert await names_of_gizmos(state) == []


async def test_a_full_disk_is_told_and_leaves_nothing(
    make_service: MakeService, state: State
) -> None:
    router = APIRouter()

    @router.post("/large")
    async def create_large(session: WriteSessionDep) -> None:
        session.add(Gizmo(**GIZMO))
        await session.flush()
        await session.execute(text("PRAGMA max_page_count = 1"))
        # The rows of other tests have left pages that are free.
        free_pages = await session.scalar(text("PRAGMA freelist_count"))
        page_bytes = await session.scalar(text("PRAGMA page_size"))
        session.add(Gizmo(name="Large", note="x" * page_bytes * (free_pages + 1)))
        await session.flush()

    async with make_service(router) as service, client_of(service) as client:
        response = await client.post("/large")

    assert_problem(response, 503, "database-exhausted")
    assert await names_of_gizmos(state) == []
# {% endif %}
# {% if database_driver != "aiosqlite" %}


async def test_a_connection_that_is_lost_before_the_commit_is_no_success(
    make_service: MakeService, state: State
) -> None:
    router = APIRouter()

    @router.post("/lost")
    async def lose(session: WriteSessionDep) -> None:
        session.add(Gizmo(**GIZMO))
        await session.flush()
        # {% if postgresql %}
        backend = await session.scalar(text("SELECT pg_backend_pid()"))
        kill = f"SELECT pg_terminate_backend({backend}, 1000)"
        # {% else %}
        kill = f"KILL {await session.scalar(text('SELECT CONNECTION_ID()'))}"
        # {% endif %}
        async with state["database"].write() as other:
            await other.execute(text(kill))

    async with make_service(router) as service, client_of(service) as client:
        response = await client.post("/lost")

    assert_problem(response, 503, "database-unavailable")
    assert await names_of_gizmos(state) == []
# {% endif %}
