import httpx2
import pytest

from tests.support import GIZMO, bad_fields, create_gizmo


async def test_text_of_any_script_is_kept(client: httpx2.AsyncClient) -> None:
    gizmo = await create_gizmo(client, note="  Zoë 北京 𝔘𝔫𝔦 👩‍🚀  ")

    read = await client.get(f"/gizmos/{gizmo['id']}")

    assert read.json()["note"] == "Zoë 北京 𝔘𝔫𝔦 👩‍🚀"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Orrery"}, "note"),
        (GIZMO | {"note": None}, "note"),
        (GIZMO | {"note": 1}, "note"),
        (GIZMO | {"note": " "}, "note"),
        (GIZMO | {"note": "of\u0000brass"}, "note"),
        (GIZMO | {"note": "x" * 201}, "note"),
        (GIZMO | {"admin": True}, "admin"),
    ],
)
async def test_a_bad_field_is_named(
    client: httpx2.AsyncClient, body: dict[str, object], field: str
) -> None:
    assert bad_fields(await client.post("/gizmos", json=body)) == [field]


@pytest.mark.parametrize(
    "gizmo_id", ["1", "not-a-uuid", "%00", "00000000-0000-0000-0000-00000000g"]
)
async def test_an_id_that_is_no_uuid_is_named(client: httpx2.AsyncClient, gizmo_id: str) -> None:
    assert bad_fields(await client.get(f"/gizmos/{gizmo_id}")) == ["gizmo_id"]
