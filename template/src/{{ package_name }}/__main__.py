"""The production entry point: ``python -m {{ package_name }}``."""

import argparse
import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from .database.preflight import verify_database
from .migrations.upgrade import upgrade_database
from .server import watchdog
from .server.drain import SHUTDOWN_SECONDS
from .server.logs import configure_logging
from .server.protocol import BoundedProtocol
from .settings import Settings, load_settings
# {% if telemetry == "prometheus" %}
from .telemetry.exposition import exposed
# {% endif %}

BACKLOG = 2048
"""The ``backlog`` of the listening socket."""

ACCEPTED_AT_ONCE = 8
"""New connections that a worker accepts in one iteration of its event loop."""

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 s of common proxies, or they would send requests on a closing connection."""

WORKER_SILENCE_SECONDS = 30
"""A worker is replaced when its event loop is blocked for longer, when it does not answer its
supervisor, or when its start takes longer."""

log = structlog.get_logger()


def main() -> None:
    """Serve, or ``migrate``: bring the schema of DATABASE_URL up to date."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=main.__doc__)
    commands = {"serve": start, "migrate": upgrade_database}
    parser.add_argument("command", nargs="?", choices=commands, default="serve")
    commands[parser.parse_args().command]()


def start() -> None:
    """Serve until SIGTERM or Ctrl-C; raise SystemExit with a line that says why it cannot."""
    # The server passes the signal on when it has shut down; by SIGTERM the exit code is 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    settings = load_settings()
    configure_logging(settings.log_level)
    # {% if telemetry == "prometheus" %}
    with suppress(KeyboardInterrupt), exposed(settings):
    # {% else %}
    with suppress(KeyboardInterrupt):
    # {% endif %}
        asyncio.run(verify_database(settings))
        serve(settings, listen(settings))


def listen(settings: Settings) -> socket.socket:
    """Open the socket from which all workers accept; raise SystemExit if it cannot be opened."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    try:
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        message = f"Cannot start, check HOST and PORT: {settings.host} {settings.port}: {error}"
        raise SystemExit(message) from None


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve the connections of the listener, in this process or in several workers."""
    config = uvicorn.Config(
        f"{__package__}.main:app",
        workers=settings.workers,
        backlog=BACKLOG,
        http=BoundedProtocol,
        lifespan="on",
        # uvicorn's log lines are formatted like those of the service, which logs each request
        # itself.
        log_config=None,
        access_log=False,
        server_header=False,
        root_path=settings.root_path,
        forwarded_allow_ips=settings.forwarded_allow_ips,
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


@contextmanager
def duplicated(listener: socket.socket) -> Iterator[list[socket.socket]]:
    """Provide the listener and duplicates of it, and close them.

    uvloop accepts one connection of each listener in an iteration, so that a burst of new
    connections would take as many iterations. With too many duplicates one worker could take the
    whole burst.
    """
    with ExitStack() as stack:
        stack.enter_context(listener)
        duplicates = range(ACCEPTED_AT_ONCE - 1)
        yield [listener, *(stack.enter_context(listener.dup()) for _ in duplicates)]


def supervise(config: uvicorn.Config, listeners: list[socket.socket]) -> None:
    """Run several workers and replace those that die; raise SystemExit if one cannot start."""
    # An error in the code is raised here once, and not in every worker that is started.
    config.load_app()
    # Workers inherit it. Their threads answer the supervisor also where the event loop is blocked.
    os.environ[watchdog.END_AFTER] = str(WORKER_SILENCE_SECONDS)
    supervisor = Multiprocess(config, listeners)
    end_as_one_process(supervisor)
    supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


def end_as_one_process(supervisor: Multiprocess) -> None:
    """Let workers end as a single process does: refuse connections, and stop on a second signal.

    uvicorn's supervisor would listen until its last worker has ended, and ignore a second signal.
    """
    signals: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        supervisor.signal_queue.append(number)
        if supervisor.should_exit.is_set():
            stop_at_once()

    def stop_at_once() -> None:
        # A signal may interrupt the logging of a line, so that nothing is logged here.
        for worker in supervisor.processes:
            if worker.pid and worker.process.is_alive():
                os.kill(worker.pid, signal.SIGINT)

    def end() -> None:
        supervisor.should_exit.wait()
        # From here on no worker is started, which would inherit them.
        for listener in supervisor.sockets:
            listener.close()
        if signal.SIGINT in signals or len(signals) > 1:
            stop_at_once()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    threading.Thread(target=end, daemon=True).start()


if __name__ == "__main__":
    main()
