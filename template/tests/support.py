"""What several tests need."""

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


def assert_problem(response: httpx2.Response, status: int, kind: str) -> dict[str, Any]:
    """Check the form of an error and return its body."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["type"]) == (status, f"urn:problem:{kind}"), body
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["title"]
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def bad_fields(response: httpx2.Response) -> list[str]:
    """Return the names of the fields that a validation problem complains of."""
    body = assert_problem(response, 422, "validation-error")
    return [error["field"] for error in body["errors"]]
