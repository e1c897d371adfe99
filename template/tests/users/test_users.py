import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx2
import pytest

from {{ package_name }}.database.repository import CHUNK_ROWS
from {{ package_name }}.lifespan import State

from tests.support import assert_problem, bad_fields, read_pages, rows_in, statements
from tests.users import ADA, create_user, create_users


async def test_a_created_user_can_be_read(client: httpx2.AsyncClient) -> None:
    response = await client.post("/users", json=ADA)

    assert response.status_code == 201
    user = response.json()
    assert user | ADA == user
    assert UUID(user["id"]).version == 7
    age = datetime.now(UTC) - datetime.fromisoformat(user["created_at"])
    assert timedelta(0) <= age < timedelta(minutes=1)
    read = await client.get(response.headers["location"])
    assert read.status_code == 200
    assert read.json() == user


async def test_an_email_address_is_unique_in_any_case(client: httpx2.AsyncClient) -> None:
    await create_user(client)

    response = await client.post("/users", json=ADA | {"email": "ADA@Example.COM"})

    assert_problem(response, 409, "duplicate-email")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_user_is_not_found(client: httpx2.AsyncClient, method: str) -> None:
    body: dict[str, str] | None = {} if method == "PATCH" else None

    response = await client.request(method, f"/users/{uuid4()}", json=body)

    assert_problem(response, 404, "user-not-found")


async def test_an_update_changes_the_given_fields_only(client: httpx2.AsyncClient) -> None:
    user = await create_user(client)

    response = await client.patch(f"/users/{user['id']}", json={"full_name": "Ada King"})

    assert response.status_code == 200
    assert response.json() == user | {"full_name": "Ada King"}
    read = await client.get(f"/users/{user['id']}")
    assert read.json() == response.json()


async def test_an_update_to_a_taken_address_is_refused(client: httpx2.AsyncClient) -> None:
    first, second = await create_users(client, 2)

    response = await client.patch(f"/users/{second['id']}", json={"email": first["email"]})

    assert_problem(response, 409, "duplicate-email")
    read = await client.get(f"/users/{second['id']}")
    assert read.json() == second


async def test_a_deleted_user_is_gone_with_its_orders(client: httpx2.AsyncClient) -> None:
    user = await create_user(client)
    await client.post(f"/users/{user['id']}/orders", json={"item": "Punched cards"})

    response = await client.delete(f"/users/{user['id']}")

    assert (response.status_code, response.content) == (204, b"")
    read = await client.get(f"/users/{user['id']}")
    assert_problem(read, 404, "user-not-found")


async def test_pages_show_every_user_once_in_order(client: httpx2.AsyncClient) -> None:
    users = await create_users(client, 5)

    pages = await read_pages(client, "/users", limit=2)

    assert pages == [users[:2], users[2:4], users[4:]]


async def test_users_can_be_listed_with_their_orders(client: httpx2.AsyncClient) -> None:
    first, second = await create_users(client, 2)
    orders = []
    for item in ("Gears", "Cards"):
        response = await client.post(f"/users/{second['id']}/orders", json={"item": item})
        orders.append(response.json())

    page = (await client.get("/users", params={"include": "orders"})).json()

    assert page["items"] == [first | {"orders": []}, second | {"orders": orders}]


async def test_orders_are_loaded_for_the_whole_page(
    client: httpx2.AsyncClient, state: State
) -> None:
    for user in await create_users(client, 3):
        await client.post(f"/users/{user['id']}/orders", json={"item": "Gears"})

    with statements(state["database"].read_engine) as seen:
        page = (await client.get("/users", params={"include": "orders"})).json()

    assert [len(user["orders"]) for user in page["items"]] == [1, 1, 1]
    assert len(seen) == 2


async def test_many_users_are_created_at_once(client: httpx2.AsyncClient, state: State) -> None:
    users = [ADA | {"email": f"user{number}@example.com"} for number in range(2_500)]

    with statements(state["database"].write_engine) as seen:
        response = await client.post("/users/bulk", json={"users": users})

    assert response.status_code == 201
    assert response.json() == {"created": 2_500}
    assert CHUNK_ROWS in map(rows_in, seen)
    page = (await client.get("/users", params={"limit": 100})).json()
    assert len(page["items"]) == 100


async def test_one_bad_row_stops_them_all(client: httpx2.AsyncClient) -> None:
    users = [ADA | {"email": f"user{number}@example.com"} for number in range(1_500)]

    response = await client.post("/users/bulk", json={"users": [*users, users[0]]})

    assert_problem(response, 409, "duplicate-email")
    assert (await client.get("/users")).json()["items"] == []


async def test_users_are_exported_one_a_line(client: httpx2.AsyncClient) -> None:
    users = await create_users(client, 3)

    response = await client.get("/users/export")

    assert response.headers["content-type"] == "application/jsonl"
    assert [json.loads(line) for line in response.text.splitlines()] == users


BAD_FIELDS = [
    ({"full_name": "Ada"}, "email"),
    (ADA | {"email": "ada"}, "email"),
    (ADA | {"email": "a" * 388 + "@example.com"}, "email"),
    (ADA | {"full_name": "Ada\u0000"}, "full_name"),
    (ADA | {"full_name": "x" * 201}, "full_name"),
    (ADA | {"admin": True}, "admin"),
]


@pytest.mark.parametrize(("body", "field"), BAD_FIELDS)
async def test_a_bad_field_is_named(
    client: httpx2.AsyncClient, body: dict[str, object], field: str
) -> None:
    assert bad_fields(await client.post("/users", json=body)) == [field]


@pytest.mark.parametrize("field", ["email", "full_name"])
async def test_an_update_cannot_remove_a_field(client: httpx2.AsyncClient, field: str) -> None:
    user = await create_user(client)

    response = await client.patch(f"/users/{user['id']}", json={field: None})

    assert field in bad_fields(response)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"cursor": "made-up"}, "cursor"),
        ({"include": "everything"}, "include"),
    ],
)
async def test_a_bad_parameter_is_named(
    client: httpx2.AsyncClient, params: dict[str, str], field: str
) -> None:
    assert bad_fields(await client.get("/users", params=params)) == [field]
