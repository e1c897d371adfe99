"""``/users``."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import SerializeAsAny

# {% if auth == "oidc" %}
from ..auth.dependencies import needs_scope
# {% endif %}
from ..web.pagination import Cursor, Limit, Page
from .models import User
from .schemas import (
    BULK_BYTES,
    UserCreate,
    UserRead,
    UsersCreate,
    UsersCreated,
    UserUpdate,
    UserWithOrders,
)
from .service import UserQueriesDep, UserServiceDep, UserTransferDep

router = APIRouter(prefix="/users", tags=["users"])


# The route is above that of one user: routes are tried in their order.
# {% if auth == "oidc" %}
@router.get("/export", dependencies=[needs_scope("users:read")])
# {% else %}
@router.get("/export")
# {% endif %}
async def export_users(users: UserTransferDep) -> AsyncIterator[UserRead]:
    """Stream all users as JSON Lines."""
    async for user in users.export():
        yield UserRead.model_validate(user)


# {% if auth == "oidc" %}
@router.get("/{user_id}", response_model=UserRead, dependencies=[needs_scope("users:read")])
# {% else %}
@router.get("/{user_id}", response_model=UserRead)
# {% endif %}
async def get_user(user_id: UUID, users: UserQueriesDep) -> User:
    return await users.get(user_id)


# A page is written by its own class; for a union, pydantic would make Python objects of it first.
# {% if auth == "oidc" %}
@router.get("", dependencies=[needs_scope("users:read")])
# {% else %}
@router.get("")
# {% endif %}
async def list_users(
    users: UserQueriesDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    include: Literal["orders"] | None = None,
) -> SerializeAsAny[Page[UserRead] | Page[UserWithOrders]]:
    """List the users in the order of their creation, with their orders when asked."""
    if include == "orders":
        page = await users.page_with_orders(limit=limit, cursor=cursor)
        return Page[UserWithOrders].model_validate(page)
    return Page[UserRead].model_validate(await users.page(limit=limit, cursor=cursor))


# {% if auth == "oidc" %}
@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=UserRead,
    dependencies=[needs_scope("users:write")],
)
# {% else %}
@router.post("", status_code=HTTPStatus.CREATED, response_model=UserRead)
# {% endif %}
async def create_user(
    data: UserCreate, users: UserServiceDep, request: Request, response: Response
) -> User:
    """Create a user; 409 when the email address is taken."""
    user = await users.create(data)
    response.headers["Location"] = request.url_for("get_user", user_id=user.id).path
    return user


# {% if auth == "oidc" %}
@router.post(
    "/bulk",
    status_code=HTTPStatus.CREATED,
    max_body_size=BULK_BYTES,
    dependencies=[needs_scope("users:write")],
)
# {% else %}
@router.post("/bulk", status_code=HTTPStatus.CREATED, max_body_size=BULK_BYTES)
# {% endif %}
async def create_users(data: UsersCreate, users: UserTransferDep) -> UsersCreated:
    """Create all the users or none; 409 when an email address is taken or given twice."""
    return UsersCreated(created=await users.create_many(data.users))


# {% if auth == "oidc" %}
@router.patch("/{user_id}", response_model=UserRead, dependencies=[needs_scope("users:write")])
# {% else %}
@router.patch("/{user_id}", response_model=UserRead)
# {% endif %}
async def update_user(user_id: UUID, data: UserUpdate, users: UserServiceDep) -> User:
    """Change the given fields; 409 when the email address is taken."""
    return await users.update(user_id, data)


# {% if auth == "oidc" %}
@router.delete(
    "/{user_id}", status_code=HTTPStatus.NO_CONTENT, dependencies=[needs_scope("users:write")]
)
# {% else %}
@router.delete("/{user_id}", status_code=HTTPStatus.NO_CONTENT)
# {% endif %}
async def delete_user(user_id: UUID, users: UserServiceDep) -> None:
    """Delete the user and the user's orders."""
    await users.delete(user_id)
