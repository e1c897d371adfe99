"""No request keeps the event loop for itself."""

import asyncio
import time

import httpx2

from {{ package_name }}.serialization import dumps
from {{ package_name }}.users.schemas import BULK_ROWS


async def test_the_largest_bulk_request_lets_others_go_on(client: httpx2.AsyncClient) -> None:
    users = [
        {"email": f"{number:05}{'a' * 59}@{'b.' * 94}c", "full_name": "x" * 200}
        for number in range(BULK_ROWS)
    ]
    body = dumps({"users": users})
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            start = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - start)

    watching = asyncio.ensure_future(watch())
    response = await client.post(
        "/users/bulk", content=body, headers={"Content-Type": "application/json"}
    )
    watching.cancel()

    assert response.json() == {"created": BULK_ROWS}
    assert longest < 0.1
