"""A commit that flushes one INSERT and nothing else, so that it needs no transaction around it.

PostgreSQL runs a statement by itself in a transaction of its own. BEGIN and COMMIT around it would
be two more round trips, during which the connection is held.
"""

from functools import cache
from typing import Any

from sqlalchemy.orm import Mapper, Session, object_mapper  # noqa: TID251 - that of a WriteSession

_SESSION_EVENTS = (
    "after_begin",
    "before_commit",
    "before_flush",
    "after_flush",
    "after_flush_postexec",
)
_MAPPER_EVENTS = ("before_insert", "after_insert")


def commit_with_insert(session: Session) -> None:
    """Let an INSERT commit itself, if it is all that the commit of the session will run.

    Call it right before the commit. The database then takes the isolation level from its own
    default.
    """
    if is_lone_insert(session):
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


def is_lone_insert(session: Session) -> bool:
    """Say whether the commit will run one INSERT, and nothing has run before."""
    transaction = session.get_transaction()
    if transaction is None or transaction.connections or session.in_nested_transaction():
        return False
    new = session.new
    if len(new) != 1 or session.identity_map:
        return False
    (entity,) = new
    mapper = object_mapper(entity)
    return (
        # Related rows have statements of their own.
        _relationships(mapper).isdisjoint(vars(entity))
        and len(mapper.tables) == 1
        # Whoever listens may add statements, such as a SET LOCAL at the begin.
        and not _listens(session, _SESSION_EVENTS)
        and not _listens(mapper, _MAPPER_EVENTS)
        and not _listens(session.get_bind(mapper), ("begin",))
    )


@cache
def _relationships(mapper: Mapper[Any]) -> frozenset[str]:
    return frozenset(mapper.relationships.keys())


def _listens(target: Any, events: tuple[str, ...]) -> bool:  # noqa: ANN401 - sessions, mappers and engines
    return any(getattr(target.dispatch, event) for event in events)
