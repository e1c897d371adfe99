"""``/users``."""

from http import HTTPStatus
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Response

from ..pagination import Cursor, Limit, Page
from .rows import UserRead, UserWithOrders
from .schemas import BULK_BYTES, UserCreate, UsersCreate, UsersCreated, UserUpdate
from .service import NewUsersDep, UserQueriesDep, UserServiceDep

router = APIRouter(prefix="/users", tags=["users"])


@router.post("", status_code=HTTPStatus.CREATED)
async def create_user(data: UserCreate, users: NewUsersDep, response: Response) -> UserRead:
    """Create a user; 409 when the email address is taken."""
    user = await users.create(data)
    response.headers["Location"] = f"/users/{user.id}"
    return user


@router.get("")
async def list_users(
    users: UserQueriesDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    include: Literal["orders"] | None = None,
) -> Page[UserRead] | Page[UserWithOrders]:
    """List the users in the order of their creation, with their orders when asked."""
    if include == "orders":
        return await users.page_with_orders(limit=limit, cursor=cursor)
    return await users.page(limit=limit, cursor=cursor)


@router.post("/bulk", status_code=HTTPStatus.CREATED, max_body_size=BULK_BYTES)
async def create_users(data: UsersCreate, users: UserServiceDep) -> UsersCreated:
    """Create all the users or none; 409 when an email address is taken or given twice."""
    return UsersCreated(created=await users.create_many(data.users))


@router.get("/{user_id}")
async def get_user(user_id: UUID, users: UserQueriesDep) -> UserRead:
    return await users.get(user_id)


@router.patch("/{user_id}")
async def update_user(user_id: UUID, data: UserUpdate, users: UserServiceDep) -> UserRead:
    """Change the given fields; 409 when the email address is taken."""
    return UserRead.of(await users.update(user_id, data))


@router.delete("/{user_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_user(user_id: UUID, users: UserServiceDep) -> None:
    """Delete the user and the user's orders."""
    await users.delete(user_id)
