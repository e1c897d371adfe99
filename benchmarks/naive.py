"""FastAPI and SQLAlchemy as in many a tutorial: the other end of the scale.

Three layers of ``BaseHTTPMiddleware``, nested routers, a pool with pre-ping and overflow, a session
that is committed for every request, statements built for each call, answers validated from objects.
"""

import logging
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKey, Uuid, make_url, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload
from sqlalchemy.types import DateTime
from uuid_utils.compat import uuid7

Next = Callable[[Request], Awaitable[Response]]

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("naive")

url = make_url(os.environ["DATABASE_URL"])
engine = create_async_engine(url, pool_size=5, max_overflow=10, pool_pre_ping=True)
new_session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    # Where the database has no such type, the service stores hexadecimal digits.
    type_annotation_map: ClassVar = {
        uuid.UUID: Uuid(native_uuid=url.get_backend_name() == "postgresql")
    }

    # As the service's, or what it inserts would become the first page of all that is listed.
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), default=lambda: datetime.now(UTC)
    )


class User(Base):
    __tablename__ = "users"

    email: Mapped[str]
    full_name: Mapped[str]
    orders: Mapped[list["Order"]] = relationship(order_by="Order.id")


class Order(Base):
    __tablename__ = "orders"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    item: Mapped[str]
    quantity: Mapped[int]


class UserCreate(BaseModel):
    email: str
    full_name: str


class OrderRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    user_id: uuid.UUID
    item: str
    quantity: int
    created_at: datetime


class UserRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    email: str
    full_name: str
    created_at: datetime


class UserWithOrders(UserRead):
    orders: list[OrderRead]


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session
        await session.commit()


Session = Annotated[AsyncSession, Depends(get_session)]
router = APIRouter(prefix="/users")


@router.post("", status_code=201, response_model=UserRead)
async def create_user(data: UserCreate, session: Session) -> User:
    existing = await session.scalar(select(User).where(User.email == data.email))
    if existing:
        raise HTTPException(409, "The email address is taken")
    user = User(**data.model_dump())
    session.add(user)
    await session.commit()
    await session.refresh(user)
    return user


@router.get("")
async def list_users(
    session: Session, limit: int = 20, include: str | None = None
) -> list[UserWithOrders] | list[UserRead]:
    statement = select(User).order_by(User.id).limit(limit)
    if include:
        users = await session.scalars(statement.options(selectinload(User.orders)))
        return [UserWithOrders.model_validate(user) for user in users]
    return [UserRead.model_validate(user) for user in await session.scalars(statement)]


@router.get("/{user_id}", response_model=UserRead)
async def get_user(user_id: uuid.UUID, session: Session) -> User:
    user = await session.scalar(select(User).where(User.id == user_id))
    if not user:
        raise HTTPException(404, "There is no such user")
    return user


app = FastAPI()
api = APIRouter()
api.include_router(router)
app.include_router(api)


@app.middleware("http")
async def log_requests(request: Request, call_next: Next) -> Response:
    response = await call_next(request)
    log.info("%s %s %d", request.method, request.url.path, response.status_code)
    return response


@app.middleware("http")
async def time_requests(request: Request, call_next: Next) -> Response:
    start = time.perf_counter()
    response = await call_next(request)
    response.headers["X-Response-Time"] = f"{(time.perf_counter() - start) * 1000:.2f}ms"
    return response


@app.middleware("http")
async def identify_requests(request: Request, call_next: Next) -> Response:
    request.state.request_id = uuid.uuid4().hex
    response = await call_next(request)
    response.headers["X-Request-ID"] = request.state.request_id
    return response
