"""A service with routes on which incidents are staged, and another one that it calls."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.helpers.updates import substitute

ROUTES = '''\
"""Routes that take long, each in a way of its own."""

import time

from fastapi import APIRouter
from sqlalchemy import text

from .database.dependencies import ReadSessionDep

router = APIRouter(prefix="/staged")


@router.get("/statement/{milliseconds}")
async def wait_for_statement(session: ReadSessionDep, milliseconds: int) -> None:
    await session.execute(text(f"SELECT SLEEP({milliseconds / 1000})"))


@router.get("/block/{milliseconds}")
async def block(milliseconds: int) -> None:
    time.sleep(milliseconds / 1000)
'''


def add_routes(folder: Path, *, sleep: str = "pg_sleep") -> None:
    """Add the routes to a service named Order Desk."""
    package = folder / "src/order_desk"
    (package / "staged.py").write_text(ROUTES.replace("SLEEP", sleep), "utf-8")
    main = package / "main.py"
    substitute(main, r"^from \.database\.errors import", r"from . import staged\n\g<0>")
    substitute(
        main,
        r"^    app\.include_router\(users.*\n",
        r"\g<0>    app.include_router(staged.router)\n",
    )


class Other(BaseHTTPRequestHandler):
    """Answers after as many milliseconds as the path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(int(self.path.strip("/")) / 1000)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def other_service() -> Iterator[str]:
    """Run the other service; yield its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
