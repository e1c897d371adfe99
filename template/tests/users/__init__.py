"""What the tests of users and of their orders need."""

from typing import Any

import httpx2

from tests.support import create

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace"}


async def create_user(client: httpx2.AsyncClient, **fields: str) -> dict[str, Any]:
    return await create(client, "/users", ADA | fields)


async def create_users(client: httpx2.AsyncClient, count: int) -> list[dict[str, Any]]:
    return [await create_user(client, email=f"user{number}@example.com") for number in range(count)]
