"""The garbage collector, tuned for a process that makes most of its objects at its start."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

GC_THRESHOLDS = (10_000, 20, 20)


@contextmanager
def tuned_garbage_collector() -> Iterator[None]:
    """Exclude the modules and mappings of the start from collections, and collect less often."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
