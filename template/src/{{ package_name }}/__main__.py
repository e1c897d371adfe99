"""The production entry point: ``python -m {{ package_name }}``."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from .database.preflight import verify_database
from .logs import OUTPUT, configure_logging
from .protocol import BoundedProtocol
from .settings import Settings, load_settings

BACKLOG = 2048
"""Connections that may wait to be accepted."""

ACCEPTED_AT_ONCE = 8
"""New connections that a worker accepts in one turn of its event loop."""

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 s of common proxies, or they would send requests on a closing connection."""

SHUTDOWN_SECONDS = 30
"""What running requests have left after the listeners have closed."""

WORKER_SILENCE_SECONDS = 30
"""A worker that does not answer its supervisor for longer is replaced; a start counts as well."""

log = structlog.get_logger()


class Supervisor(Multiprocess):
    """Ends as a single process does: refuses connections, and stops at once when told twice."""

    at_once = False

    def handle_int(self) -> None:
        """Let Ctrl-C mean at once, also where it reaches this process alone."""
        super().handle_int()
        self.at_once = True

    def terminate_all(self) -> None:
        """Tell the workers to leave, and close the listeners that they inherited."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._insist())
        super().terminate_all()
        for listener in self.sockets:
            listener.close()
        if self.at_once:
            self._insist()

    def _insist(self) -> None:
        # A second SIGTERM would be one with the first if a worker has not come to that yet. What
        # the signal interrupts may be the logging of a line, so that nothing can be logged here.
        for worker in self.processes:
            if worker.pid and worker.process.is_alive():
                os.kill(worker.pid, signal.SIGINT)


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
        http=BoundedProtocol,
        lifespan="on",
        # The service logs by itself, and the server by way of the root logger.
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_worker_healthcheck=WORKER_SILENCE_SECONDS,
    )
    log.info("listening", host=settings.host, port=listener.getsockname()[1])
    with duplicated(listener) as listeners:
        if settings.workers == 1:
            uvicorn.Server(config).run(listeners)
        else:
            supervise(config, listeners)


def leave(_number: int, _frame: FrameType | None) -> None:
    """End by SIGTERM with exit code 0, while starting and when the server passes it on."""
    sys.exit()


def listen(settings: Settings) -> socket.socket:
    """Open the one socket that all workers accept connections from.

    Raises:
        SystemExit: with one line, if the address is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    try:
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        message = f"Cannot start, check HOST and PORT: {settings.host} {settings.port}: {error}"
        raise SystemExit(message) from None


@contextmanager
def duplicated(listener: socket.socket) -> Iterator[list[socket.socket]]:
    """Provide the listener and duplicates of it, and close them.

    uvloop accepts one connection of a listener in a turn, and serves all requests that have come
    before the next one: a burst of new connections would wait for as many turns. With more than a
    few duplicates one worker could take the whole burst.
    """
    with ExitStack() as stack:
        stack.enter_context(listener)
        duplicates = range(ACCEPTED_AT_ONCE - 1)
        yield [listener, *(stack.enter_context(listener.dup()) for _ in duplicates)]


def supervise(config: uvicorn.Config, listeners: list[socket.socket]) -> None:
    """Run several workers and replace those that die.

    Raises:
        SystemExit: a worker could not start, and so none would.
    """
    # A fault in the code ends the start here, and not each worker that is started in turn.
    config.load_app()
    supervisor = Supervisor(config, listeners)
    supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


if __name__ == "__main__":
    main()
