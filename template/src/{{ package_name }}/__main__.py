"""The production entry point: ``python -m {{ package_name }}``."""

import asyncio
import signal
import socket
import sys
from types import FrameType

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from .database.preflight import verify_database
from .logs import OUTPUT, configure_logging
from .settings import Settings, load_settings

BACKLOG = 2048
"""Connections that may wait to be accepted."""

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 s of common proxies, or they would send requests on a closing connection."""

SHUTDOWN_SECONDS = 30
"""What running requests have left after the listeners have closed."""

log = structlog.get_logger()


class Supervisor(Multiprocess):
    """Ends as a single process does: refuses connections, and stops at once when told twice."""

    def terminate_all(self) -> None:
        """Tell the workers to leave, and close the listener that they inherited."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: Multiprocess.terminate_all(self))
        super().terminate_all()
        for listener in self.sockets:
            listener.close()


def main() -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        SystemExit: with one line that says why the service cannot start.
    """
    signal.signal(signal.SIGTERM, leave)
    settings = load_settings()
    configure_logging(settings.log_level)
    try:
        asyncio.run(verify_database(settings))
        serve(settings, listen(settings))
    except KeyboardInterrupt:
        # By now the server has shut down; it only tells by which signal.
        pass
    finally:
        OUTPUT.drain()


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve what connects to the listener, in this process or in several workers."""
    config = uvicorn.Config(
        f"{__package__}.main:app",
        workers=settings.workers,
        backlog=BACKLOG,
        http="httptools",
        lifespan="on",
        # The service logs by itself, and the server by way of the root logger.
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    if settings.workers == 1:
        uvicorn.Server(config).run([listener])
    else:
        supervise(config, listener)


def leave(_number: int, _frame: FrameType | None) -> None:
    """End by SIGTERM with exit code 0, while starting and when the server passes it on."""
    sys.exit()


def listen(settings: Settings) -> socket.socket:
    """Open the one socket that all workers accept connections from."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    try:
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        message = f"Cannot start, check HOST and PORT: {settings.host} {settings.port}: {error}"
        raise SystemExit(message) from None
    log.info("listening", host=settings.host, port=listener.getsockname()[1])
    return listener


def supervise(config: uvicorn.Config, listener: socket.socket) -> None:
    """Run several workers and replace those that die.

    Raises:
        SystemExit: a worker could not start, and so none would.
    """
    # A fault in the code ends the start here, and not each worker that is started in turn.
    config.load_app()
    supervisor = Supervisor(config, [listener])
    supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


if __name__ == "__main__":
    main()
