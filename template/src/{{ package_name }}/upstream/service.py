"""What can be fetched from the upstream."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import Depends, Request

from ..lifespan import state_of
from ..problems import Problem
from .body import parse_body, read_body
from .client import UpstreamClient
from .failures import Failure, FetchError
from .schemas import FetchResult

BUDGET_SHARE = 0.9
"""The share of a request's time that fetching may take; the rest is for answering."""

log = structlog.get_logger()


class UpstreamNotConfigured(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = "upstream-not-configured"
    title = "There is no upstream to fetch from"


class UpstreamService:
    """Fetches paths of the upstream.

    ``budget`` is the time in seconds that all paths of a request have together.
    """

    def __init__(self, client: UpstreamClient, *, budget: float) -> None:
        self._client = client
        self._budget = budget

    async def fetch(self, paths: Sequence[str]) -> list[FetchResult]:
        """Fetch the paths concurrently; one that fails does not touch the others.

        Raises:
            UpstreamNotConfigured: the service has no base URL.
        """
        if not self._client.base_url:
            raise UpstreamNotConfigured(detail="Set UPSTREAM_URL to the service to fetch from")
        results = [FetchResult(path=path, error=Failure.TIMEOUT) for path in paths]
        try:
            async with asyncio.timeout(self._budget), asyncio.TaskGroup() as group:
                for result in results:
                    group.create_task(self._fill(result))
        except* TimeoutError:
            # What is not complete by now keeps the error that it began with.
            log.warning("upstream too slow", seconds=self._budget)
        if failures := Counter(result.error.value for result in results if result.error):
            log.warning("upstream paths failed", failures=failures)
        return results

    async def _fill(self, result: FetchResult) -> None:
        try:
            # ast-grep-ignore: semaphore-without-timeout - fetch() holds the time
            async with self._client.permits, self._client.get(result.path) as reply:
                result.status = reply.status
                body = await read_body(reply.chunks, encoding=reply.encoding)
            result.body = parse_body(body, content_type=reply.content_type)
            result.error = None
        except FetchError as error:
            result.error = error.failure


async def get_upstream_service(request: Request) -> UpstreamService:
    state = state_of(request)
    budget = state["settings"].request_timeout * BUDGET_SHARE
    return UpstreamService(state["upstream"], budget=budget)


UpstreamServiceDep = Annotated[UpstreamService, Depends(get_upstream_service)]
