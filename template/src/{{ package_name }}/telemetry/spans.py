"""Statements as spans, by the events that SQLAlchemy documents; no value of a parameter is told.

https://opentelemetry.io/docs/specs/semconv/db/database-spans/
"""

from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import Connection, ExceptionContext, event
from sqlalchemy.ext.asyncio import AsyncEngine

from .otlp import is_sent

MAX_TEXT = 2_000
"""Characters of a statement; one that inserts many rows has as many places for values."""

OPEN = "open_spans"

tracer = trace.get_tracer(__name__)


def trace_statements(engine: AsyncEngine) -> None:
    """Make a span of each statement, unless nobody takes it."""
    if not is_sent("TRACES"):
        return
    attributes: dict[str, Any] = {
        # {% if database_driver == "asyncmy" %}
        "db.system.name": "mariadb",
        # {% else %}
        "db.system.name": engine.dialect.name,
        # {% endif %}
        "db.namespace": engine.url.database,
        "server.address": engine.url.host,
        "server.port": engine.url.port,
    }
    known = {name: value for name, value in attributes.items() if value is not None}

    def start(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        operation = statement.split(maxsplit=1)[0].upper()
        span = tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            attributes={
                **known,
                "db.operation.name": operation,
                "db.query.text": statement[:MAX_TEXT],
            },
        )
        connection.info.setdefault(OPEN, []).append(span)

    def end(connection: Connection, *_: object) -> None:
        connection.info[OPEN].pop().end()

    event.listen(engine.sync_engine, "before_cursor_execute", start)
    event.listen(engine.sync_engine, "after_cursor_execute", end)
    # Before what raises another error in its place.
    event.listen(engine.sync_engine, "handle_error", _fail, insert=True)


def _fail(context: ExceptionContext) -> None:
    spans = context.connection.info.get(OPEN) if context.connection is not None else None
    if spans:
        span = spans.pop()
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", type(context.original_exception).__name__)
        span.end()
