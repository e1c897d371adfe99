"""``/users``."""

from http import HTTPStatus
from typing import Literal
from uuid import UUID

# {% if orjson %}
from fastapi import APIRouter, Request
# {% else %}
from fastapi import APIRouter, Request, Response
# {% endif %}

from ..pagination import Cursor, Limit, Page
# {% if orjson %}
from ..serialization import OrjsonResponse
# {% endif %}
from .models import User
# {% if not orjson %}
from .rows import UserRow
# {% endif %}
from .schemas import (
    BULK_BYTES,
    UserCreate,
    UserRead,
    UsersCreate,
    UsersCreated,
    UserUpdate,
    UserWithOrders,
)
from .service import UserCreation, UserQueries, UserServiceDep

router = APIRouter(prefix="/users", tags=["users"])


# {% if orjson %}
# Rows that are as the database has them are answered as they are: to validate them by their model
# again would take longer than to read them.


@router.get("/{user_id}", response_model=UserRead)
async def get_user(user_id: UUID, request: Request) -> OrjsonResponse:
    return OrjsonResponse(await UserQueries.of(request).get(user_id))


@router.get("", response_model=Page[UserRead] | Page[UserWithOrders])
async def list_users(
    request: Request,
    limit: Limit = 20,
    cursor: Cursor = None,
    include: Literal["orders"] | None = None,
) -> OrjsonResponse:
    """List the users in the order of their creation, with their orders when asked."""
    users = UserQueries.of(request)
    read = users.page_with_orders if include == "orders" else users.page
    return OrjsonResponse(await read(limit=limit, cursor=cursor))


@router.post("", status_code=HTTPStatus.CREATED, response_model=UserRead)
async def create_user(data: UserCreate, request: Request) -> OrjsonResponse:
    """Create a user; 409 when the email address is taken."""
    user = await UserCreation.of(request).create(data)
    headers = {"Location": f"/users/{user.id}"}
    return OrjsonResponse(user, status_code=HTTPStatus.CREATED, headers=headers)
# {% else %}
@router.get("/{user_id}", response_model=UserRead)
async def get_user(user_id: UUID, request: Request) -> UserRow:
    return await UserQueries.of(request).get(user_id)


@router.get("")
async def list_users(
    request: Request,
    limit: Limit = 20,
    cursor: Cursor = None,
    include: Literal["orders"] | None = None,
) -> Page[UserRead] | Page[UserWithOrders]:
    """List the users in the order of their creation, with their orders when asked."""
    users = UserQueries.of(request)
    if include == "orders":
        page = await users.page_with_orders(limit=limit, cursor=cursor)
        return Page[UserWithOrders].model_validate(page)
    return Page[UserRead].model_validate(await users.page(limit=limit, cursor=cursor))


@router.post("", status_code=HTTPStatus.CREATED, response_model=UserRead)
async def create_user(data: UserCreate, request: Request, response: Response) -> UserRow:
    """Create a user; 409 when the email address is taken."""
    user = await UserCreation.of(request).create(data)
    response.headers["Location"] = f"/users/{user.id}"
    return user
# {% endif %}


@router.post("/bulk", status_code=HTTPStatus.CREATED, max_body_size=BULK_BYTES)
async def create_users(data: UsersCreate, request: Request) -> UsersCreated:
    """Create all the users or none; 409 when an email address is taken or given twice."""
    return UsersCreated(created=await UserCreation.of(request).create_many(data.users))


@router.patch("/{user_id}", response_model=UserRead)
async def update_user(user_id: UUID, data: UserUpdate, users: UserServiceDep) -> User:
    """Change the given fields; 409 when the email address is taken."""
    return await users.update(user_id, data)


@router.delete("/{user_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_user(user_id: UUID, users: UserServiceDep) -> None:
    """Delete the user and the user's orders."""
    await users.delete(user_id)
