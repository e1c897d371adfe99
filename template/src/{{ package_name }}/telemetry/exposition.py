"""Serves the metrics on a port of their own, also while the event loop is blocked."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from ..settings import Settings

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable with the folder to which workers write their metrics for the process that serves
them."""

SERVING = threading.Lock()
"""Held by what serves the metrics in this process."""

log = structlog.get_logger()


@contextmanager
def exposed(settings: Settings) -> Iterator[None]:
    """Serve the metrics of this process, or of the workers that it starts.

    This comes before the import of the application, since prometheus-client asks once, when it is
    imported, whether there are several processes. It raises SystemExit with a line that says why
    not.
    """
    with ExitStack() as stack:
        if settings.metrics_port is not None:
            stack.enter_context(SERVING)
            try:
                folder = stack.enter_context(_shared(settings))
                port = stack.enter_context(_served(settings, folder))
            except OSError as error:
                address = f"{settings.metrics_host} {settings.metrics_port}"
                message = f"Cannot start, check METRICS_HOST and METRICS_PORT: {address}: {error}"
                raise SystemExit(message) from None
            log.info("metrics", host=settings.metrics_host, port=port)
        yield


@asynccontextmanager
async def exposed_alone(settings: Settings) -> AsyncIterator[None]:
    """Serve the metrics of this process, unless its supervisor does."""
    stack = ExitStack()
    is_wanted = settings.metrics_port is not None and FOLDER not in os.environ
    if is_wanted and SERVING.acquire(blocking=False):
        stack.callback(SERVING.release)
        try:
            port = stack.enter_context(_served(settings))
        except OSError as error:
            log.warning("no metrics", port=settings.metrics_port, error=str(error))
        else:
            log.info("metrics", host=settings.metrics_host, port=port)
    try:
        yield
    finally:
        await asyncio.to_thread(stack.close)


@contextmanager
def _shared(settings: Settings) -> Iterator[Path | None]:
    given = os.environ.pop(FOLDER, None)
    if settings.workers == 1:
        yield None
        return
    # A new one, since what processes of before have left would be counted again.
    with TemporaryDirectory(dir=given) as folder:
        os.environ[FOLDER] = folder
        yield Path(folder)


def _served(settings: Settings, folder: Path | None = None) -> AbstractContextManager[int]:
    from .prometheus import served  # noqa: PLC0415 - not before the folder is named

    return served(settings.metrics_host, settings.metrics_port or 0, folder)
