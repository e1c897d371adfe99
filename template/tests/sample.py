"""A resource of the tests' own, so that what they prove does not depend on those of the service.

It is made like any other, except that no migration knows its tables.
"""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints
from sqlalchemy import ForeignKey, MetaData, String, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.pool import NullPool

from {{ package_name }}.database.base import NAMING_CONVENTION, Entity
from {{ package_name }}.database.dependencies import (
    DatabaseDep,
    ReadSessionDep,
    WriteSessionDep,
)
from {{ package_name }}.database.repository import AsyncRepository
from {{ package_name }}.database.session import ReadSession, WriteSession
from {{ package_name }}.web.pagination import (
    Cursor,
    Keyset,
    KeysetPage,
    Limit,
    Page,
)
from {{ package_name }}.web.problems import NotFound
from {{ package_name }}.web.schemas import (
    PLAIN_TEXT,
    RequestModel,
    ResponseModel,
)

LENGTH = 200
BULK_ROWS = 10_000
BULK_BYTES = 10 * 1024 * 1024

METADATA = MetaData(naming_convention=NAMING_CONVENTION)


async def create_tables(url: str) -> None:
    """Create the tables, in place of a migration."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    await engine.dispose()


class Sample(Entity):
    __abstract__ = True

    metadata = METADATA


class Gizmo(Sample):
    __tablename__ = "gizmos"

    name: Mapped[str] = mapped_column(String(LENGTH), unique=True)
    note: Mapped[str] = mapped_column(String(LENGTH))

    cogs: Mapped[list["Cog"]] = relationship(lazy="raise", order_by="Cog.id")


class Cog(Sample):
    __tablename__ = "cogs"

    gizmo_id: Mapped[UUID] = mapped_column(ForeignKey("gizmos.id", ondelete="CASCADE"))


Text = Annotated[str, StringConstraints(min_length=1, max_length=LENGTH, pattern=PLAIN_TEXT)]


class GizmoCreate(RequestModel):
    name: Text
    note: Text


class GizmosCreate(RequestModel):
    gizmos: Annotated[list[GizmoCreate], Field(max_length=BULK_ROWS)]


class GizmosCreated(ResponseModel):
    created: int


class GizmoRead(ResponseModel):
    id: UUID
    created_at: datetime
    name: str
    note: str


PAGE = Keyset(select(Gizmo), Gizmo.id)


class GizmoRepository(AsyncRepository[Gizmo]):
    model = Gizmo

    async def page(self, *, limit: int, cursor: str | None) -> KeysetPage[Gizmo]:
        return await PAGE.page(self.session, limit=limit, cursor=cursor)


class GizmoNotFound(NotFound):
    type = "gizmo-not-found"
    title = "There is no such gizmo"


class GizmoQueries:
    def __init__(self, session: ReadSession) -> None:
        self._gizmos = GizmoRepository(session)

    async def get(self, gizmo_id: UUID) -> Gizmo:
        gizmo = await self._gizmos.get(gizmo_id)
        if gizmo is None:
            raise GizmoNotFound
        return gizmo

    async def page(self, *, limit: int, cursor: str | None) -> KeysetPage[Gizmo]:
        return await self._gizmos.page(limit=limit, cursor=cursor)


class GizmoService:
    def __init__(self, session: WriteSession) -> None:
        self._gizmos = GizmoRepository(session)

    async def create(self, data: GizmoCreate) -> Gizmo:
        return await self._gizmos.add(Gizmo(**data.model_dump()))

    async def create_many(self, data: Sequence[GizmoCreate]) -> int:
        return await self._gizmos.add_many([gizmo.model_dump() for gizmo in data])

    async def delete(self, gizmo_id: UUID) -> None:
        if not await self._gizmos.delete(gizmo_id):
            raise GizmoNotFound


async def get_gizmo_queries(session: ReadSessionDep) -> GizmoQueries:
    return GizmoQueries(session)


async def get_gizmo_service(session: WriteSessionDep) -> GizmoService:
    return GizmoService(session)


GizmoQueriesDep = Annotated[GizmoQueries, Depends(get_gizmo_queries)]
GizmoServiceDep = Annotated[GizmoService, Depends(get_gizmo_service)]

router = APIRouter(prefix="/gizmos", tags=["gizmos"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=GizmoRead)
async def create_gizmo(data: GizmoCreate, gizmos: GizmoServiceDep) -> Gizmo:
    return await gizmos.create(data)


@router.get("", response_model=Page[GizmoRead])
async def list_gizmos(
    gizmos: GizmoQueriesDep, limit: Limit = 20, cursor: Cursor = None
) -> KeysetPage[Gizmo]:
    return await gizmos.page(limit=limit, cursor=cursor)


@router.post("/bulk", status_code=HTTPStatus.CREATED, max_body_size=BULK_BYTES)
async def create_gizmos(data: GizmosCreate, database: DatabaseDep) -> GizmosCreated:
    created = await database.transaction(
        lambda session: GizmoService(session).create_many(data.gizmos)
    )
    return GizmosCreated(created=created)


@router.get("/{gizmo_id}", response_model=GizmoRead)
async def get_gizmo(gizmo_id: UUID, gizmos: GizmoQueriesDep) -> Gizmo:
    return await gizmos.get(gizmo_id)


@router.delete("/{gizmo_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_gizmo(gizmo_id: UUID, gizmos: GizmoServiceDep) -> None:
    await gizmos.delete(gizmo_id)
