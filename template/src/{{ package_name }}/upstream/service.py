"""Fetches paths of the upstream."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends

from .client import UpstreamClient, UpstreamClientDep
from .reply import FetchError
from .schemas import FetchResult


class UpstreamService:
    def __init__(self, client: UpstreamClient) -> None:
        self._client = client

    async def fetch(self, paths: Sequence[str]) -> list[FetchResult]:
        """Fetch the paths concurrently; one that fails does not affect the others."""
        self._client.check_configured()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._fetch(path)) for path in paths]
        return [task.result() for task in tasks]

    async def _fetch(self, path: str) -> FetchResult:
        try:
            reply = await self._client.request("GET", path)
            return FetchResult(path=path, status=reply.status, body=reply.value())
        except FetchError as error:
            return FetchResult(path=path, status=error.upstream_status, error=error.failure)


async def get_upstream_service(client: UpstreamClientDep) -> UpstreamService:
    return UpstreamService(client)


UpstreamServiceDep = Annotated[UpstreamService, Depends(get_upstream_service)]
