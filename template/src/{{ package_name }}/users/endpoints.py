"""``/users``."""

from http import HTTPStatus
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Response

from ..pagination import Cursor, Limit, Page
# {% if orjson %}
from ..serialization import OrjsonResponse
# {% endif %}
from .models import User
from .rows import UserRow
from .schemas import (
    BULK_BYTES,
    UserCreate,
    UserRead,
    UsersCreate,
    UsersCreated,
    UserUpdate,
    UserWithOrders,
)
from .service import UserCreationDep, UserQueriesDep, UserServiceDep

router = APIRouter(prefix="/users", tags=["users"])


@router.post("", status_code=HTTPStatus.CREATED, response_model=UserRead)
async def create_user(data: UserCreate, users: UserCreationDep, response: Response) -> UserRow:
    """Create a user; 409 when the email address is taken."""
    user = await users.create(data)
    response.headers["Location"] = f"/users/{user.id}"
    return user


# {% if orjson %}
@router.get("", response_model=Page[UserRead] | Page[UserWithOrders])
async def list_users(
    users: UserQueriesDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    include: Literal["orders"] | None = None,
) -> Page[UserWithOrders] | OrjsonResponse:
    """List the users in the order of their creation, with their orders when asked."""
    if include == "orders":
        return await users.page_with_orders(limit=limit, cursor=cursor)
    # These rows are as the database has them; to validate them again would take longer than
    # to read them.
    return OrjsonResponse(await users.page(limit=limit, cursor=cursor))
# {% else %}
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
    return Page[UserRead].model_validate(await users.page(limit=limit, cursor=cursor))
# {% endif %}


@router.post("/bulk", status_code=HTTPStatus.CREATED, max_body_size=BULK_BYTES)
async def create_users(data: UsersCreate, users: UserCreationDep) -> UsersCreated:
    """Create all the users or none; 409 when an email address is taken or given twice."""
    return UsersCreated(created=await users.create_many(data.users))


@router.get("/{user_id}", response_model=UserRead)
async def get_user(user_id: UUID, users: UserQueriesDep) -> UserRow:
    return await users.get(user_id)


@router.patch("/{user_id}", response_model=UserRead)
async def update_user(user_id: UUID, data: UserUpdate, users: UserServiceDep) -> User:
    """Change the given fields; 409 when the email address is taken."""
    return await users.update(user_id, data)


@router.delete("/{user_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_user(user_id: UUID, users: UserServiceDep) -> None:
    """Delete the user and the user's orders."""
    await users.delete(user_id)
