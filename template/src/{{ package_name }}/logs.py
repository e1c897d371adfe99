"""Structured logs: one JSON object a line, or coloured text on a terminal."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import structlog

from .serialization import dumps

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

FLUSH_SECONDS = 0.1
FLUSH_BYTES = 64 * 1024


class BatchedOutput:
    """Standard output, many lines at once: a system call a line costs more than the line.

    A batch is written after ``FLUSH_SECONDS`` or ``FLUSH_BYTES``, whichever comes first; a
    killed process loses what it logged in that time. Outside an event loop, as during start-up
    and in threads, each line is written at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, line: bytes) -> None:
        """Take a line; it is written with its batch."""
        with self._lock:
            self._pending.append(line)
            self._size += len(line)

    def flush(self) -> None:
        """Write the batch now, or let it grow when an event loop can do it later."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.drain()
            return
        if self._size >= FLUSH_BYTES:
            self.drain()
        elif self._timer is None:
            self._timer = loop.call_later(FLUSH_SECONDS, self.drain)

    def drain(self) -> None:
        """Write all that is pending."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            batch = b"".join(self._pending)
            self._pending.clear()
            self._size = 0
            sys.stdout.buffer.write(batch)
            sys.stdout.buffer.flush()


OUTPUT = BatchedOutput()
"""The one standard output of the process; drain it before the process ends."""


class StructlogHandler(logging.Handler):
    """Sends the records of libraries the way of the service's own."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record's message and exception."""
        log = structlog.get_logger(record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info or None)


def configure_logging(level: LogLevel) -> None:
    """Set up structlog and the standard library's loggers."""
    on_terminal = sys.stdout.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_timestamp,
            *_renderers(on_terminal=on_terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(OUTPUT),  # type: ignore[arg-type]  # all it needs
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [StructlogHandler()]
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.INFO))
    # {% if http_client == "httpx2" %}
    # It logs each request with its whole URL, which may hold a secret.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # {% endif %}


def request_logger() -> Callable[..., object]:
    """Return what logs that a request has ended.

    Every request does, so that the line is made without the layers of structlog, which take a
    twentieth of the time of a read. It has the form of the others, and what is bound to the
    context; a processor that is added to them has to be added to it.
    """
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    if log.is_enabled_for(logging.INFO) and not sys.stdout.isatty():
        return _log_request
    return partial(log.info, "request")


def _log_request(**values: object) -> None:
    event = {
        **structlog.contextvars.get_contextvars(),
        **values,
        "event": "request",
        "level": "info",
        "timestamp": _now(),
    }
    OUTPUT.write(_render(event) + b"\n")
    OUTPUT.flush()


def _add_timestamp(
    _logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    # structlog's TimeStamper takes thrice the time.
    event["timestamp"] = _now()
    return event


# {% if orjson %}
def _now() -> datetime:
    return datetime.now(UTC)
# {% else %}
def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
# {% endif %}


def _renderers(*, on_terminal: bool) -> list[structlog.typing.Processor]:
    if on_terminal:
        console = structlog.dev.ConsoleRenderer()
        return [lambda logger, name, event: console(logger, name, event).encode()]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_render),
    ]


def _render(event: structlog.typing.EventDict, **_: object) -> bytes:
    # A value without a JSON form must not fail whoever logs it.
    try:
        return dumps(event)
    except (TypeError, ValueError):
        return dumps({name: _json_or_text(value) for name, value in event.items()})


def _json_or_text(value: object) -> object:
    try:
        dumps(value)
    except (TypeError, ValueError):
        return repr(value)
    return value
