"""Structured logs: one JSON object a line, or coloured text on a terminal."""

import logging
import os
import re
import sys
import traceback
# {% if orjson %}
from datetime import UTC, datetime
# {% endif %}
from typing import BinaryIO, cast

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from ..settings import LogLevel
from ..web.serialization import dumps

_VALUES = re.compile(r"(DETAIL: |query argument \$\d+: |Duplicate entry ).*")


class StandardOutput:
    """Writes each line at once, so that a process that is killed loses none.

    A line that cannot be written, as to a pipe that is full, is dropped: no request waits for it.
    """

    def __init__(self) -> None:
        self._begun = b""
        self._dropped = 0
        if sys.platform != "win32":
            os.set_blocking(1, False)

    def write(self, line: bytes) -> None:
        """Write a line, and before it how many could not be written.

        A pipe may take a part of a long line: the rest of it comes first the next time.
        """
        if self._dropped:
            line = dumps({"event": "log lines dropped", "count": self._dropped}) + b"\n" + line
        try:
            written = os.write(1, self._begun + line)
        except OSError:
            written = 0
        if written > len(self._begun):
            self._begun, self._dropped = (self._begun + line)[written:], 0
        else:
            self._begun, self._dropped = self._begun[written:], self._dropped + 1

    def flush(self) -> None:
        """Do nothing: each line is written already."""


class StructlogHandler(logging.Handler):
    """Formats the records of libraries like those of the service."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record's message and exception."""
        log = structlog.get_logger()
        try:
            message = record.getMessage().rstrip()
            log.log(record.levelno, message, logger=record.name, exc_info=record.exc_info or None)
        except Exception:  # noqa: BLE001 - a handler fails nobody who logs
            self.handleError(record)


def configure_logging(level: LogLevel) -> None:
    """Set up structlog and the standard library's loggers."""
    filtering = structlog.make_filtering_bound_logger(level)
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        # {% if not orjson %}
        structlog.processors.TimeStamper(fmt="iso"),
        # {% endif %}
    ]
    if sys.stdout is None:  # it was closed before the start, and its number may be another file's
        structlog.configure(processors, filtering, logger_factory=structlog.ReturnLoggerFactory())
    elif sys.stdout.isatty():
        # {% if orjson %}
        processors += [structlog.processors.TimeStamper(fmt="iso"), structlog.dev.ConsoleRenderer()]
        # {% else %}
        processors += [structlog.dev.ConsoleRenderer()]
        # {% endif %}
        structlog.configure(processors, filtering, logger_factory=structlog.PrintLoggerFactory())
    else:
        processors += [structlog.processors.ExceptionRenderer(format_exception), render_json]
        factory = structlog.BytesLoggerFactory(cast(BinaryIO, StandardOutput()))
        structlog.configure(processors, filtering, logger_factory=factory)
    root = logging.getLogger()
    root.handlers = [StructlogHandler()]
    for name in ("uvicorn", "uvicorn.error"):
        # uvicorn's command line and gunicorn add handlers, whose lines have no request id.
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.INFO))
    # {% if http_client == "httpx2" %}
    # It logs each request with its whole URL, which may contain a secret.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # {% endif %}


def format_exception(exc_info: ExcInfo) -> str:
    """Render a traceback, without the values that drivers put into their messages."""
    return _VALUES.sub(r"\1...", "".join(traceback.format_exception(*exc_info)))


def render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    """Render a line; a value without a JSON form must not raise an exception."""
    # {% if orjson %}
    event["timestamp"] = datetime.now(UTC)
    # {% endif %}
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
