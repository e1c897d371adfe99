"""``/upstream``."""

from fastapi import APIRouter

# {% if auth == "oidc" %}
from ..auth.dependencies import needs_scope
# {% endif %}
from .schemas import FetchRequest, FetchResponse
from .service import UpstreamServiceDep

# {% if auth == "oidc" %}
router = APIRouter(
    prefix="/upstream", tags=["upstream"], dependencies=[needs_scope("upstream:fetch")]
)
# {% else %}
router = APIRouter(prefix="/upstream", tags=["upstream"])
# {% endif %}


@router.post("/fetch")
async def fetch_paths(data: FetchRequest, upstream: UpstreamServiceDep) -> FetchResponse:
    """Fetch paths of the upstream concurrently; a path that fails says so in its own result."""
    return FetchResponse(results=await upstream.fetch(data.paths))
