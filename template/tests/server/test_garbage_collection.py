import gc
from collections.abc import Iterator

import pytest

from {{ package_name }}.server.garbage_collection import (
    GC_THRESHOLDS,
    tuned_garbage_collector,
)


@pytest.fixture
def _garbage_collector() -> Iterator[None]:
    """CPython's own, as no application has tuned it."""
    thresholds = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*thresholds)
    gc.freeze()


@pytest.mark.usefixtures("_garbage_collector")
def test_the_garbage_collector_is_as_before_in_the_end() -> None:
    with tuned_garbage_collector():
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == GC_THRESHOLDS

    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == (700, 10, 10)
