"""No request keeps the event loop for itself."""

import httpx2

from {{ package_name }}.web.serialization import dumps

from tests.sample import BULK_ROWS, LENGTH
from tests.support import longest_turn


async def test_the_largest_bulk_request_lets_others_go_on(client: httpx2.AsyncClient) -> None:
    gizmos = [{"name": f"{number:0{LENGTH}}", "note": "x" * LENGTH} for number in range(BULK_ROWS)]
    body = dumps({"gizmos": gizmos})

    response, longest = await longest_turn(
        client.post("/gizmos/bulk", content=body, headers={"Content-Type": "application/json"})
    )

    assert response.json() == {"created": BULK_ROWS}
    assert longest < 0.4
