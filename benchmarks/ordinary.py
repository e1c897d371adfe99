"""The service with its users answered through sessions and entities, as most routes are."""

import os
from http import HTTPStatus
from importlib import import_module
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import SerializeAsAny
from sqlalchemy.orm import selectinload

PACKAGE = os.environ["PACKAGE"]

main: Any = import_module(f"{PACKAGE}.main")
lifespan: Any = import_module(f"{PACKAGE}.lifespan")
models: Any = import_module(f"{PACKAGE}.models")
pagination: Any = import_module(f"{PACKAGE}.pagination")
repository: Any = import_module(f"{PACKAGE}.users.repository")
schemas: Any = import_module(f"{PACKAGE}.users.schemas")

LISTING = "users"
WITH_ORDERS = (selectinload(models.User.orders),)
Users = pagination.Page[schemas.UserRead]
UsersWithOrders = pagination.Page[schemas.UserWithOrders]

router = APIRouter(prefix="/users")


@router.get("/{user_id}", response_model=schemas.UserRead)
async def get_user(user_id: UUID, request: Request) -> object:
    async with database_of(request).read() as session:
        user: object = await repository.UserRepository(session).get(user_id)
        return user


@router.get("", response_model=SerializeAsAny[Users | UsersWithOrders])
async def list_users(
    request: Request,
    limit: pagination.Limit = 20,
    cursor: pagination.Cursor = None,
    include: Literal["orders"] | None = None,
) -> object:
    after = pagination.decode_cursor(cursor, listing=LISTING)
    options, page = (WITH_ORDERS, UsersWithOrders) if include else ((), Users)
    async with database_of(request).read() as session:
        users = repository.UserRepository(session)
        rows = await users.page(after=after, limit=limit + 1, options=options)
    answer: object = page.model_validate(pagination.cut_page(rows, limit=limit, listing=LISTING))
    return answer


@router.post("", status_code=HTTPStatus.CREATED, response_model=schemas.UserRead)
async def create_user(data: schemas.UserCreate, request: Request) -> object:
    user: object = await database_of(request).add(models.User(**data.model_dump()))
    return user


def database_of(request: Request) -> Any:
    return lifespan.state_of(request)["database"]


main.ROUTERS = (router,)

if __name__ == "__main__":
    import_module(f"{PACKAGE}.__main__").main()
