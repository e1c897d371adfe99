"""``/upstream``."""

from fastapi import APIRouter

from .schemas import FetchRequest, FetchResponse
from .service import UpstreamServiceDep

router = APIRouter(prefix="/upstream", tags=["upstream"])


@router.post("/fetch")
async def fetch_paths(data: FetchRequest, upstream: UpstreamServiceDep) -> FetchResponse:
    """Fetch paths of the upstream concurrently; a path that fails says so in its own result."""
    return FetchResponse(results=await upstream.fetch(data.paths))
