"""``/me``."""

from fastapi import APIRouter

from ..web.schemas import ResponseModel
from .dependencies import CurrentUserDep

router = APIRouter(prefix="/me", tags=["auth"])


class Me(ResponseModel):
    subject: str
    scopes: list[str]
    roles: list[str]


@router.get("")
async def get_me(user: CurrentUserDep) -> Me:
    """Show who sends the request, as the service sees it."""
    return Me(subject=user.subject, scopes=sorted(user.scopes), roles=sorted(user.roles))
