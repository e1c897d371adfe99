from uuid import uuid4

import httpx2
import pytest

from tests.support import assert_problem, bad_fields, create, read_pages
from tests.users import create_user, create_users


async def test_an_order_belongs_to_its_user(client: httpx2.AsyncClient) -> None:
    first, second = await create_users(client, 2)

    response = await client.post(
        f"/users/{first['id']}/orders", json={"item": "Difference engine", "quantity": 3}
    )

    assert response.status_code == 201
    order = response.json()
    assert order["user_id"] == first["id"]
    assert (order["item"], order["quantity"]) == ("Difference engine", 3)
    mine = (await client.get(f"/users/{first['id']}/orders")).json()
    assert mine == {"items": [order], "next_cursor": None}
    others = (await client.get(f"/users/{second['id']}/orders")).json()
    assert others == {"items": [], "next_cursor": None}


async def test_orders_come_in_pages(client: httpx2.AsyncClient) -> None:
    user = await create_user(client)
    path = f"/users/{user['id']}/orders"
    orders = [await create(client, path, {"item": f"Gear {number}"}) for number in range(3)]

    assert await read_pages(client, path, limit=2) == [orders[:2], orders[2:]]


async def test_a_cursor_of_another_listing_is_refused(client: httpx2.AsyncClient) -> None:
    await create_users(client, 2)
    cursor = (await client.get("/users", params={"limit": 1})).json()["next_cursor"]

    response = await client.get(f"/users/{uuid4()}/orders", params={"cursor": cursor})

    assert bad_fields(response) == ["cursor"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_orders_of_an_unknown_user_are_not_found(
    client: httpx2.AsyncClient, method: str
) -> None:
    body = {"item": "Gears"} if method == "POST" else None

    response = await client.request(method, f"/users/{uuid4()}/orders", json=body)

    assert_problem(response, 404, "user-not-found")


@pytest.mark.parametrize("quantity", [0, 1_000_001, None])
async def test_a_bad_quantity_is_named(client: httpx2.AsyncClient, quantity: object) -> None:
    user = await create_user(client)
    body = {"item": "Gears", "quantity": quantity}

    response = await client.post(f"/users/{user['id']}/orders", json=body)

    assert bad_fields(response) == ["quantity"]
