import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from {{ package_name }}.database.engine import Database
from {{ package_name }}.drain import Drain
from {{ package_name }}.lifespan import (
    GC_THRESHOLDS,
    open_state,
    tuned_garbage_collector,
)
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


@pytest.fixture
def _garbage_collector() -> Iterator[None]:
    """CPython's own, as no application has tuned it."""
    thresholds = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("_garbage_collector")
def test_the_garbage_collector_is_as_before_in_the_end() -> None:
    with tuned_garbage_collector():
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == GC_THRESHOLDS

    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.usefixtures("_garbage_collector")
def test_the_garbage_collector_is_tuned_once() -> None:
    with tuned_garbage_collector():
        with tuned_garbage_collector():
            pass

        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == GC_THRESHOLDS
