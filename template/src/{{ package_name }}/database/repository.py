"""The base class of repositories."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar, cast
from uuid import UUID

# {% if postgresql and fast_paths %}
from sqlalchemy import CursorResult, Delete, Select, bindparam, delete, select
# {% else %}
from sqlalchemy import CursorResult, Delete, Select, bindparam, delete, insert, select
# {% endif %}
from sqlalchemy.ext.asyncio import AsyncSession

from .base import Entity
# {% if postgresql and fast_paths %}
from .bulk import bulk_insert
# {% endif %}

CHUNK_ROWS = 1_000
"""Rows in one INSERT of a bulk insert; limits the memory of a statement."""

E = TypeVar("E", bound=Entity)


class AsyncRepository(Generic[E]):
    """Reads and writes of one model; subclasses set ``model`` and add their own queries.

    A repository flushes, so that errors are raised here, but never commits: only the code that
    opened the session does.
    """

    model: ClassVar[type[Entity]]

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, entity_id: UUID) -> E | None:
        """Return the entity, or None."""
        entity = await self.session.scalar(_by_id(self.model), {"id": entity_id})
        return cast(E | None, entity)

    async def add(self, entity: E) -> E:
        """Insert or update the entity; raise IntegrityError if a constraint is violated."""
        self.session.add(entity)
        await self.session.flush()
        return entity

    async def add_many(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert the rows in chunks and return their number."""
        iterator = iter(rows)
        while chunk := list(islice(iterator, CHUNK_ROWS)):
            # {% if postgresql and fast_paths %}
            await self.session.execute(*bulk_insert(self.model, chunk))
            # {% else %}
            await self.session.execute(insert(self.model), chunk)
            # {% endif %}
        return len(rows)

    async def delete(self, entity_id: UUID) -> bool:
        """Delete the row; return whether there was one."""
        result = await self.session.execute(_delete(self.model), {"id": entity_id})
        return cast(CursorResult[Any], result).rowcount > 0


# Statements are built once: building one costs more than running it from SQLAlchemy's cache.
@cache
def _by_id(model: type[Entity]) -> Select[Any]:
    return select(model).where(model.id == bindparam("id"))


@cache
def _delete(model: type[Entity]) -> Delete:
    statement = delete(model).where(model.id == bindparam("id"))
    return statement.execution_options(synchronize_session=False)
