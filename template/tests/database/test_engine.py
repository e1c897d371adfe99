"""A connection that the server has closed never reaches a request."""

import asyncio

import httpx2
import pytest
from sqlalchemy import text

from {{ package_name }}.database import engine
from {{ package_name }}.lifespan import State

# {% if postgresql %}
OWN_NUMBER = "SELECT pg_backend_pid()"
KILL = "SELECT pg_terminate_backend({})"
# {% else %}
OWN_NUMBER = "SELECT CONNECTION_ID()"
KILL = "KILL {}"
# {% endif %}


async def kill_pooled_connection(client: httpx2.AsyncClient, state: State) -> None:
    """Let the server close the connection that the next read would get."""
    assert (await client.get("/gizmos")).status_code == 200
    async with state["database"].read() as session:
        number = await session.scalar(text(OWN_NUMBER))
    async with state["database"].write() as session:
        await session.execute(text(KILL.format(number)))
    await asyncio.sleep(0.05)


async def test_a_closed_connection_is_noticed(client: httpx2.AsyncClient, state: State) -> None:
    await kill_pooled_connection(client, state)

    assert (await client.get("/gizmos")).status_code == 200


async def test_an_idle_connection_is_tried_first(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "is_lost", lambda _: False)
    monkeypatch.setattr(engine, "PING_AFTER_SECONDS", 0)
    await kill_pooled_connection(client, state)

    assert (await client.get("/gizmos")).status_code == 200
