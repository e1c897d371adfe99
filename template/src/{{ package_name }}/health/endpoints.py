"""``/health/live`` and ``/health/ready``."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

# {% if auth == "oidc" %}
from ..auth.dependencies import PUBLIC
# {% endif %}
from .readiness import ReadinessDep, Result

# {% if auth == "oidc" %}
router = APIRouter(prefix="/health", tags=["health"], dependencies=[PUBLIC])
# {% else %}
router = APIRouter(prefix="/health", tags=["health"])
# {% endif %}


class Live(BaseModel):
    status: Literal["live"] = "live"


class Ready(BaseModel):
    status: Literal["ready"] = "ready"
    checks: dict[str, Result]


@router.get("/live")
async def live() -> Live:
    """Tell that the process runs; it depends on nothing else, or an outage would restart it."""
    return Live()


@router.get("/ready")
async def ready(readiness: ReadinessDep) -> Ready:
    """Tell whether the process should get requests; 503 when a check fails or while draining."""
    return Ready(checks=await readiness.check())
