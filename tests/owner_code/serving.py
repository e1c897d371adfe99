"""An application served by uvicorn, as the service itself is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from order_desk.server.protocol import BoundedProtocol


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[int]:
    """Serve on a free port of this machine, and yield the port."""
    config = uvicorn.Config(
        app, http=BoundedProtocol, lifespan="on", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve([listener]))
            while not server.started:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.01)
            yield listener.getsockname()[1]
            server.should_exit = True
