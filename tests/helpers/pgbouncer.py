"""PgBouncer, as Debian and others have it, in front of a server."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.helpers.process import eventually, free_port, program


@contextmanager
def pgbouncer(url: str, **options: object) -> Iterator[str]:
    """Run PgBouncer before the server of a database, and return the URL of the database there."""
    path, port = program("pgbouncer"), free_port()
    server = urlsplit(url)
    host = parse_qs(server.query).get("host", [server.hostname or "127.0.0.1"])[0]
    target = {
        "host": host,
        "port": server.port,
        "user": unquote(server.username or ""),
        "password": unquote(server.password or ""),
    }
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "max_client_conn": 500,
        **options,
    }
    address = " ".join(f"{name}={value}" for name, value in target.items() if value)
    lines = [f"{name} = {value}" for name, value in settings.items()]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "pgbouncer.ini")
        file.write_text(
            "\n".join(["[databases]", f"* = {address}", "[pgbouncer]", *lines]), "utf-8"
        )
        # It refuses to run as root, and has to reach the socket of the server.
        user = Path(host).owner() if host.startswith("/") else "nobody"
        user_option = ("-u", user) if os.geteuid() == 0 else ()
        with subprocess.Popen((path, "-q", *user_option, file), stderr=subprocess.DEVNULL) as popen:
            try:
                eventually(lambda: popen.poll() is not None or accepts(port), 10)
                assert popen.poll() is None
                yield f"postgresql://{server.username}@127.0.0.1:{port}{server.path}"
            finally:
                popen.kill()


def accepts(port: int) -> bool:
    """Say whether somebody listens on the port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
