from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from {{ package_name }}.database.engine import Database
from {{ package_name }}.lifespan import open_state
from {{ package_name }}.server.drain import Drain
from {{ package_name }}.settings import Settings


async def test_a_failing_start_closes_what_was_opened(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database = Database.open
    closed: list[str] = []

    @asynccontextmanager
    async def noting_open(settings: Settings) -> AsyncIterator[Database]:
        try:
            async with open_database(settings) as database:
                yield database
        finally:
            closed.append("database")

    def fail(_: float) -> None:
        message = "cannot start"
        raise RuntimeError(message)

    monkeypatch.setattr(Database, "open", noting_open)
    monkeypatch.setattr(Drain, "installed", fail)

    with pytest.raises(RuntimeError, match="cannot start"):
        async with open_state(settings):
            pass

    assert closed == ["database"]
