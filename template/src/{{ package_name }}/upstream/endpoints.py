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
    """Fetch paths of the upstream concurrently; the result of a path that fails has the error."""
    return FetchResponse(results=await upstream.fetch(data.paths))
