"""Columns that the database fills in, and pages in an order of the owner's own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from itertools import chain
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import (
    Computed,
    Identity,
    MetaData,
    Numeric,
    String,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from order_desk.database.base import NAMING_CONVENTION, Base, Entity
from order_desk.database.dependencies import ReadSessionDep, WriteSessionDep
from order_desk.database.repository import AsyncRepository
from order_desk.database.types import UtcDateTime
from order_desk.lifespan import State
from order_desk.web.pagination import Cursor, Keyset, Limit, Page
from order_desk.web.problems import NotFound
from order_desk.web.schemas import RequestModel, ResponseModel

from tests.conftest import MakeClient
from tests.support import assert_problem, read_pages, tables

METADATA = MetaData(naming_convention=NAMING_CONVENTION)
LONG_AGO = datetime(2001, 2, 3, tzinfo=UTC)


class Product(Entity):
    __tablename__ = "owner_products"
    metadata = METADATA

    name: Mapped[str] = mapped_column(String(50))
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    amount: Mapped[int] = mapped_column(server_default=text("3"))
    total: Mapped[Decimal] = mapped_column(
        Numeric(20, 2), Computed("price * amount", persisted=True)
    )
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime, server_default=func.now(), onupdate=func.now()
    )


class Ticket(Base):
    __tablename__ = "owner_tickets"
    metadata = METADATA

    number: Mapped[int] = mapped_column(Identity(), primary_key=True)
    state: Mapped[str] = mapped_column(String(20), server_default="open")


class Draft(Entity):
    __tablename__ = "owner_drafts"
    metadata = METADATA

    text: Mapped[str] = mapped_column(String(20))
    version: Mapped[int] = mapped_column()
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime, server_default=func.now(), onupdate=func.now()
    )
    # As SQLAlchemy's chapter on version counters has it.
    __mapper_args__ = {"version_id_col": version}


class ProductCreate(RequestModel):
    name: str
    price: Decimal
    updated_at: datetime | None = None


class ProductUpdate(RequestModel):
    price: Decimal


class ProductRead(ResponseModel):
    id: UUID
    name: str
    price: Decimal
    amount: int
    total: Decimal
    updated_at: datetime


class TicketRead(ResponseModel):
    number: int
    state: str


class ProductRepository(AsyncRepository[Product]):
    model = Product


BY_PRICE = Keyset(select(Product), Product.price, Product.id)
DEAREST = Keyset(
    select(Product).where(Product.price > bindparam("above")),
    Product.price,
    Product.id,
    descending=True,
)
BY_TICKET = Keyset(select(Ticket), Ticket.number)

router = APIRouter(prefix="/owner")


@router.post("/products", status_code=HTTPStatus.CREATED, response_model=ProductRead)
async def create_product(data: ProductCreate, session: WriteSessionDep) -> Product:
    return await ProductRepository(session).add(Product(**data.model_dump(exclude_none=True)))


@router.patch("/products/{product_id}", response_model=ProductRead)
async def update_product(
    product_id: UUID, data: ProductUpdate, session: WriteSessionDep
) -> Product:
    products = ProductRepository(session)
    product = await products.get(product_id)
    if product is None:
        raise NotFound
    product.price = data.price
    return await products.add(product)


@router.get("/products")
async def list_products(
    session: ReadSessionDep, limit: Limit = 20, cursor: Cursor = None
) -> Page[ProductRead]:
    page = await BY_PRICE.page(session, limit=limit, cursor=cursor)
    return Page[ProductRead].model_validate(page)


@router.get("/products/dearest")
async def list_dearest(
    session: ReadSessionDep, limit: Limit = 20, cursor: Cursor = None
) -> Page[ProductRead]:
    page = await DEAREST.page(session, limit=limit, cursor=cursor, above=0)
    return Page[ProductRead].model_validate(page)


@router.post("/tickets", status_code=HTTPStatus.CREATED, response_model=TicketRead)
async def create_ticket(session: WriteSessionDep) -> Ticket:
    ticket = Ticket()
    session.add(ticket)
    await session.flush()
    return ticket


@router.get("/tickets")
async def list_tickets(
    session: ReadSessionDep, limit: Limit = 20, cursor: Cursor = None
) -> Page[TicketRead]:
    page = await BY_TICKET.page(session, limit=limit, cursor=cursor)
    return Page[TicketRead].model_validate(page)


@pytest.fixture
async def client(make_client: MakeClient, state: State) -> AsyncIterator[httpx2.AsyncClient]:
    engine = state["database"].write_engine
    async with tables(engine, METADATA), make_client(router) as client:
        yield client


async def create(client: httpx2.AsyncClient, name: str, price: str, **more: str) -> dict[str, Any]:
    body = {"name": name, "price": price, **more}
    response = await client.post("/owner/products", json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def test_what_the_database_fills_in_comes_back(client: httpx2.AsyncClient) -> None:
    product = await create(client, "pen", "1.50")

    assert (product["amount"], product["total"]) == (3, "4.50")
    assert datetime.fromisoformat(product["updated_at"]).tzinfo is not None


async def test_what_the_database_changes_comes_back(client: httpx2.AsyncClient) -> None:
    product = await create(client, "pen", "1.50", updated_at=LONG_AGO.isoformat())
    assert datetime.fromisoformat(product["updated_at"]) == LONG_AGO

    response = await client.patch(f"/owner/products/{product['id']}", json={"price": "2.50"})

    assert response.status_code == 200, response.text
    assert response.json()["total"] == "7.50"
    assert datetime.fromisoformat(response.json()["updated_at"]) > LONG_AGO


async def test_the_database_counts(client: httpx2.AsyncClient) -> None:
    tickets = [(await client.post("/owner/tickets")).json() for _ in range(3)]

    assert [ticket["state"] for ticket in tickets] == ["open"] * 3
    first, second, third = (ticket["number"] for ticket in tickets)
    assert first < second < third
    assert await read_pages(client, "/owner/tickets", limit=2) == [tickets[:2], tickets[2:]]


async def test_pages_by_price_and_id(client: httpx2.AsyncClient) -> None:
    prices = ["2.00", "1.00", "3.00", "2.00", "2.00", "10.00", "1.50"]
    products = [await create(client, f"p{number}", price) for number, price in enumerate(prices)]

    def by_price(product: dict[str, Any]) -> tuple[Decimal, str]:
        return Decimal(product["price"]), product["id"]

    ordered = sorted(products, key=by_price)
    pages = await read_pages(client, "/owner/products", limit=2)
    dearest = await read_pages(client, "/owner/products/dearest", limit=3)

    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert list(chain.from_iterable(pages)) == ordered
    assert list(chain.from_iterable(dearest)) == ordered[::-1]


async def test_a_cursor_of_another_listing_is_refused(client: httpx2.AsyncClient) -> None:
    for number in range(2):
        await create(client, f"p{number}", "1.00")
    cursor = (await client.get("/owner/products?limit=1")).json()["next_cursor"]

    response = await client.get("/owner/products/dearest", params={"cursor": cursor})

    assert_problem(response, 422, "validation-error")


async def test_a_version_counter_leaves_what_the_database_changes(
    client: httpx2.AsyncClient, state: State
) -> None:
    async with state["database"].write() as session:
        draft = Draft(text="one")
        session.add(draft)
        await session.flush()
        draft.text = "two"
        await session.flush()

        assert draft.version == 2
        assert draft.updated_at.tzinfo is UTC
