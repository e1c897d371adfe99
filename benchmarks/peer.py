"""A project of another template, fastapi_template on PyPI, as it is after its own command.

It has one table, with a number and a name, and routes for a list and for an insert. So it sends
less than a service that has users: its rows are half as wide, its list has no cursor, and its
insert is answered without a body. It has no route for one row, and nothing nested.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from harness import SERVER_CPUS, Server, ending, free_port, wait_for

CASES = ("list20", "list100", "post")

COMMAND = """
fastapi_template --quiet --name peer --api-type rest --db postgresql --orm sqlalchemy --ci none
--migrations --dummy --routers
""".split()

FILL = """
import asyncio
from peer.db.meta import meta
from peer.db.models import load_all_models
from peer.db.models.dummy_model import DummyModel
from peer.settings import settings
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import create_async_engine

async def fill():
    load_all_models()
    async with create_async_engine(str(settings.db_url)).begin() as connection:
        await connection.run_sync(meta.create_all)
        rows = [{"name": f"User {number}"} for number in range(10_000)]
        await connection.execute(insert(DummyModel), rows)
        await connection.execute(text("ANALYZE"))

asyncio.run(fill())
"""


@contextmanager
def serve(database: str) -> Iterator[Server]:
    """Render and install the project, and run it by its own entry point on a database."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = install(Path(scratch))
        port = free_port()
        python = str(folder / ".venv/bin/python")
        environment = os.environ | settings(database) | {"PEER_PORT": str(port)}
        subprocess.run([python, "-c", FILL], cwd=folder, env=environment, check=True)
        process = subprocess.Popen(
            [python, "-m", "peer"],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        os.sched_setaffinity(process.pid, SERVER_CPUS)
        server = Server("peer", port, process.pid, prefix="peer-")
        with ending(process):
            wait_for(f"{server.url}/api/health", process)
            for limit in (20, 100):
                with urlopen(f"{server.url}/api/dummy/?limit={limit}") as answer:
                    if answer.read().count(b'"name"') != limit:
                        sys.exit("the peer does not list what was asked")
            yield server


def install(scratch: Path) -> Path:
    """Render a project in a folder; what it depends on goes to the Python that runs this."""
    # It installs itself as well, on a Python that it asks for and that may not be there.
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    subprocess.run(
        ["uv", "tool", "run", *COMMAND],
        cwd=scratch,
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    folder = scratch / "peer"
    for command in (
        ["uv", "venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, ".venv"],
        ["uv", "pip", "install", "--quiet", "--python", ".venv", "-r", "pyproject.toml"],
    ):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def settings(database: str) -> dict[str, str]:
    """Return the environment variables that name the database."""
    url = urlsplit(database)
    if url.scheme != "postgresql+asyncpg" or url.query or not url.hostname:
        sys.exit("the peer needs asyncpg and a TEST_DATABASE_URL with a host: it speaks TCP alone")
    return {
        "PEER_DB_HOST": url.hostname,
        "PEER_DB_PORT": str(url.port or 5432),
        "PEER_DB_USER": url.username or "",
        "PEER_DB_PASS": url.password or "",
        "PEER_DB_BASE": url.path.removeprefix("/"),
    }
