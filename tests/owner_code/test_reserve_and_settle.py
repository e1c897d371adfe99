"""The example of docs/patterns.md for calling another service, against one that is real."""

import importlib.util
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from types import ModuleType
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Header, Response
from pydantic import BaseModel, HttpUrl
from sqlalchemy import select
from sqlalchemy.pool import QueuePool

from order_desk.database.dependencies import DatabaseDep
from order_desk.database.engine import Database
from order_desk.lifespan import State
from order_desk.models import METADATA
from order_desk.settings import Settings
from order_desk.upstream.client import UpstreamClient, UpstreamClientDep
from order_desk.web.problems import Unavailable
from order_desk.web.schemas import ResponseModel

from tests.conftest import ROOT, client_of, make_app, running
from tests.owner_code.serving import serving
from tests.support import assert_problem

NAME = "order_desk.payments"
CHAPTER = r"### Calling another service in the middle of a write\n.*?```python\n(.*?)```"


@pytest.fixture(scope="module")
def payments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module of the example; no other test knows its table."""
    page = (ROOT / "docs/patterns.md").read_text("utf-8")
    found = re.search(CHAPTER, page, re.DOTALL)
    assert found is not None
    file = tmp_path_factory.mktemp("payments") / "payments.py"
    file.write_text(found[1], "utf-8")
    spec = importlib.util.spec_from_file_location(NAME, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    METADATA.remove(module.Payment.__table__)
    yield module
    del sys.modules[NAME]


class Bank:
    """Another service. A key is charged once, however often it comes."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.app.add_api_route("/charges", self.charge, methods=["POST"], status_code=201)
        self.charged: dict[str, int] = {}
        self.answers: list[HTTPStatus] = []

    async def charge(
        self,
        cents: dict[str, int],
        idempotency_key: Annotated[str, Header()],
        response: Response,
    ) -> dict[str, str]:
        answer = self.answers.pop() if self.answers else HTTPStatus.CREATED
        if answer != HTTPStatus.PAYMENT_REQUIRED:
            self.charged[idempotency_key] = cents["cents"]
        response.status_code = answer
        return {"receipt": f"receipt of {idempotency_key}"}


class PaymentRead(ResponseModel):
    id: UUID
    state: str
    receipt: str | None


class PaymentCreate(BaseModel):
    cents: int


def in_use(database: Database) -> list[int]:
    pools = [database.read_engine.pool, database.write_engine.pool]
    return [pool.checkedout() for pool in pools if isinstance(pool, QueuePool)]


def charging(
    client: UpstreamClient, payments: ModuleType, database: Database
) -> Callable[[UUID, int], Any]:
    async def charge(payment_id: UUID, cents: int) -> str:
        assert in_use(database) == [0, 0]
        key = {"Idempotency-Key": str(payment_id)}
        reply = await client.request("POST", "/charges", json={"cents": cents}, headers=key)
        if reply.status == HTTPStatus.PAYMENT_REQUIRED:
            raise payments.DeclinedError
        if reply.status != HTTPStatus.CREATED:
            raise Unavailable
        value: Any = reply.value()
        return str(value["receipt"])

    return charge


def routes(payments: ModuleType) -> APIRouter:
    router = APIRouter(prefix="/payments")

    def service(database: Database, client: UpstreamClient) -> Any:
        return payments.PaymentService(database, charging(client, payments, database))

    @router.post("/{order_id}", status_code=201, response_model=PaymentRead)
    async def pay(
        order_id: UUID, data: PaymentCreate, database: DatabaseDep, client: UpstreamClientDep
    ) -> Any:
        return await service(database, client).pay(order_id, data.cents)

    @router.post("", response_model=list[PaymentRead])
    async def finish(database: DatabaseDep, client: UpstreamClientDep) -> Any:
        payment = payments.Payment
        async with database.read() as session:
            reserved = await session.scalars(select(payment).where(payment.state == "reserved"))
            found = reserved.all()
        return [await service(database, client).finish(each) for each in found]

    return router


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
async def client(
    bank: Bank, payments: ModuleType, settings: Settings, state: State
) -> AsyncIterator[httpx2.AsyncClient]:
    table = payments.Payment.__table__
    async with state["database"].write_engine.begin() as connection:
        await connection.run_sync(table.create)
    try:
        async with serving(bank.app) as port:
            url = HttpUrl(f"http://127.0.0.1:{port}")
            app = make_app(settings.model_copy(update={"upstream_url": url}), routes(payments))
            async with running(app) as service, client_of(service) as client:
                yield client
    finally:
        async with state["database"].write_engine.begin() as connection:
            await connection.run_sync(table.drop)


async def test_a_payment_is_reserved_charged_and_settled(
    client: httpx2.AsyncClient, bank: Bank
) -> None:
    response = await client.post(f"/payments/{uuid4()}", json={"cents": 150})

    assert response.status_code == 201, response.text
    payment = response.json()
    assert (payment["state"], payment["receipt"]) == ("paid", f"receipt of {payment['id']}")
    assert bank.charged == {payment["id"]: 150}


async def test_an_order_is_paid_once(client: httpx2.AsyncClient, bank: Bank) -> None:
    path = f"/payments/{uuid4()}"
    await client.post(path, json={"cents": 150})

    assert_problem(await client.post(path, json={"cents": 150}), 409, "conflict")
    assert len(bank.charged) == 1


async def test_a_refusal_is_settled(client: httpx2.AsyncClient, bank: Bank) -> None:
    bank.answers = [HTTPStatus.PAYMENT_REQUIRED]

    response = await client.post(f"/payments/{uuid4()}", json={"cents": 150})

    assert (response.json()["state"], response.json()["receipt"]) == ("declined", None)
    assert bank.charged == {}


async def test_what_was_interrupted_is_finished_later(
    client: httpx2.AsyncClient, bank: Bank
) -> None:
    bank.answers = [HTTPStatus.BAD_GATEWAY]

    failed = await client.post(f"/payments/{uuid4()}", json={"cents": 150})
    (finished,) = (await client.post("/payments")).json()
    again = (await client.post("/payments")).json()

    assert_problem(failed, 503, "unavailable")
    assert finished["state"] == "paid"
    assert again == []
    assert bank.charged == {finished["id"]: 150}
