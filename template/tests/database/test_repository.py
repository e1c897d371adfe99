from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import pytest

from {{ package_name }}.lifespan import State

from tests.sample import Gizmo, GizmoRepository
from tests.support import GIZMO, assert_problem, create_gizmo


async def test_an_entity_has_an_id_and_a_time(state: State) -> None:
    async with state["database"].write() as session:
        gizmo = await GizmoRepository(session).add(Gizmo(**GIZMO))

    assert gizmo.id.version == 7
    assert timedelta(0) <= datetime.now(UTC) - gizmo.created_at < timedelta(minutes=1)


async def test_an_entity_is_found_by_its_id(client: httpx2.AsyncClient) -> None:
    gizmo = await create_gizmo(client)
    await create_gizmo(client, name="Another")

    response = await client.get(f"/gizmos/{gizmo['id']}")

    assert (response.status_code, response.json()) == (200, gizmo)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_id_is_not_found(client: httpx2.AsyncClient, method: str) -> None:
    assert_problem(await client.request(method, f"/gizmos/{uuid4()}"), 404, "gizmo-not-found")


async def test_what_is_deleted_is_gone(client: httpx2.AsyncClient) -> None:
    gizmo = await create_gizmo(client)
    another = await create_gizmo(client, name="Another")

    response = await client.delete(f"/gizmos/{gizmo['id']}")

    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get("/gizmos")).json()["items"] == [another]


async def test_a_duplicate_is_a_conflict(client: httpx2.AsyncClient) -> None:
    await create_gizmo(client)

    assert_problem(await client.post("/gizmos", json=GIZMO), 409, "conflict")


# {% if database_driver == "asyncmy" %}
async def test_names_that_differ_by_a_case_an_accent_or_a_sign_are_two(
    client: httpx2.AsyncClient,
) -> None:
    for name in ("resume", "Resume", "résumé", "resume_"):
        await create_gizmo(client, name=name)


# {% endif %}
async def test_one_bad_row_stops_them_all(client: httpx2.AsyncClient) -> None:
    gizmos = [GIZMO | {"name": f"Gizmo {number}"} for number in range(1_500)]

    response = await client.post("/gizmos/bulk", json={"gizmos": [*gizmos, gizmos[0]]})

    assert_problem(response, 409, "conflict")
    assert (await client.get("/gizmos")).json()["items"] == []
