"""Time requests to the last route, in a service's environment.

``python time_routes.py PACKAGE ROUNDS``
"""

import sys
import time
from collections.abc import Callable
from importlib import import_module
from statistics import median
from typing import Any

import uvloop
from fastapi import APIRouter, FastAPI

COUNTS = (1, 10, 100, 1_000)
ROUTES_OF_ROUTER = 10
SECONDS = 0.2
"""Of one measurement."""

Include = Callable[[FastAPI, APIRouter], object]


def build(count: int, include: Include) -> FastAPI:
    app = FastAPI()
    for first in range(0, count, ROUTES_OF_ROUTER):
        router = APIRouter(prefix=f"/resource{first}")
        for number in range(first, min(first + ROUTES_OF_ROUTER, count)):
            router.get(f"/route{number}/{{key}}", name=f"route{number}")(endpoint)
        include(app, router)
    return app


async def endpoint(key: int) -> dict[str, int]:
    return {"key": key}


async def microseconds(app: FastAPI, count: int) -> float:
    """Return the time of a request to the last route."""
    last = count - 1
    path = f"/resource{last // ROUTES_OF_ROUTER * ROUTES_OF_ROUTER}/route{last}/7"
    statuses: set[int] = set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    requests, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS:
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "http_version": "1.1",
            "scheme": "http",
            "state": {},
        }
        await app(scope, receive, send)
        requests += 1
    if statuses != {200}:
        sys.exit(f"{path} answers {statuses}")
    return elapsed / requests * 1e6


async def main(package: str, rounds: int) -> None:
    ways: dict[str, Include] = {
        "register": import_module(f"{package}.main").register,
        "include_router": FastAPI.include_router,
    }
    print(f"{'routes':>7}{'register us':>14}{'include_router us':>20}{'ratio':>8}")
    for count in COUNTS:
        apps = [build(count, include) for include in ways.values()]
        for app in apps:
            await microseconds(app, count)
        pairs = [[await microseconds(app, count) for app in apps] for _ in range(rounds)]
        own, other = (median(times) for times in zip(*pairs, strict=True))
        ratio = median(included / registered for registered, included in pairs)
        print(f"{count:>7}{own:>14.0f}{other:>20.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
