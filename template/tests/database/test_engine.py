"""A connection that the server has closed never reaches a request."""

import httpx2
import pytest

from {{ package_name }}.database import engine
from {{ package_name }}.lifespan import State

from tests.faults.pools import kill_idle_connection


async def test_a_closed_connection_is_noticed(client: httpx2.AsyncClient, state: State) -> None:
    await kill_idle_connection(state["database"])

    assert (await client.get("/gizmos")).status_code == 200


async def test_an_idle_connection_is_tried_first(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "is_lost", lambda _: False)
    monkeypatch.setattr(engine, "PING_AFTER_SECONDS", 0)
    await kill_idle_connection(state["database"])

    assert (await client.get("/gizmos")).status_code == 200
