"""A connection to the protocol of the service, without its process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from {{ package_name }}.server.protocol import BoundedProtocol

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def connection(
    app: ASGIApp, *, state: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    common = {"lifespan": "off", "log_config": None, "access_log": False, "ws": "none"}
    config = uvicorn.Config(app, **common | options)
    server_state = ServerState()

    def make() -> BoundedProtocol:
        return BoundedProtocol(config=config, server_state=server_state, app_state=state or {})

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(30):
            yield reader, writer
    finally:
        writer.close()
        await asyncio.sleep(0.01)
        server.close()
