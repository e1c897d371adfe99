"""What the tests of users and of their orders need."""

from typing import Any

import httpx2

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace"}


async def create_user(client: httpx2.AsyncClient, **fields: str) -> dict[str, Any]:
    response = await client.post("/users", json=ADA | fields)
    assert response.status_code == 201, response.text
    user: dict[str, Any] = response.json()
    return user


async def create_users(client: httpx2.AsyncClient, count: int) -> list[dict[str, Any]]:
    return [await create_user(client, email=f"user{number}@example.com") for number in range(count)]
