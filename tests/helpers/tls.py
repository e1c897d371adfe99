"""Database servers that speak TLS, each started for tests and ended with them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.process import eventually, free_port, program

PASSWORD = "p@:/?#% é"  # noqa: S105 - of a server that lives for a test
SERVER = "nobody" if os.name == "posix" and os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


@contextmanager
def folder_with_certificates() -> Iterator[Path]:
    """Make a folder with a server's key and certificate for localhost, and two authorities."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for authority in ("ca", "other"):
            openssl(
                folder,
                *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", f"/CN={authority}", "-keyout", f"{authority}.key"),
                *("-out", f"{authority}.crt"),
            )
        (folder / "names").write_text("subjectAltName=DNS:localhost", "utf-8")
        openssl(
            folder,
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", "server.key", "-out", "server.csr"),
        )
        openssl(
            folder,
            *("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt"),
        )
        yield folder


def openssl(folder: Path, *arguments: str) -> None:
    """Run OpenSSL in a folder."""
    subprocess.run([program("openssl"), *arguments], cwd=folder, check=True, capture_output=True)


@contextmanager
def postgres(folder: Path) -> Iterator[int]:
    """Run PostgreSQL with TLS and the user ``postgres``; provide its port."""
    data, secret, port = folder / "data", folder / "secret", free_port()
    for path in (data, folder / "sockets"):
        shutil.rmtree(path, ignore_errors=True)
    secret.write_text(f"{PASSWORD}\n", "utf-8")
    for path in (data, folder / "sockets"):
        path.mkdir(mode=0o700)
    if SERVER:
        for path in folder.iterdir():
            shutil.chown(path, SERVER)
    run: dict[str, Any] = {
        "cwd": folder,
        "user": SERVER,
        "env": os.environ | {"LC_ALL": "C.UTF-8"},
    }
    initdb = (program("initdb"), "-D", data, "-U", "postgres", "-A", "scram-sha-256")
    subprocess.run([*initdb, f"--pwfile={secret}"], check=True, capture_output=True, **run)
    files = (f"ssl_cert_file={folder}/server.crt", f"ssl_key_file={folder}/server.key")
    options = [part for value in ("ssl=on", "fsync=off", *files) for part in ("-c", value)]
    command = (program("postgres"), "-D", data, "-p", str(port), "-h", "localhost")
    with started((*command, "-k", folder / "sockets", *options), **run):
        eventually((folder / "sockets" / f".s.PGSQL.{port}").exists)
        yield port


@contextmanager
def mariadb(folder: Path) -> Iterator[int]:
    """Run MariaDB with TLS and the user ``owner``; provide its port."""
    data, port = folder / "mysql", free_port()
    data.mkdir(mode=0o700)
    user = ("--user=root",) if SERVER else ()
    # Without it there is an anonymous user of localhost, who comes before others.
    install = (program("mariadb-install-db"), "--skip-test-db", "--no-defaults", *user)
    subprocess.run((*install, "--datadir=./mysql"), cwd=folder, check=True, capture_output=True)
    start = folder / "start.sql"
    start.write_text(
        "SET NAMES utf8mb4;\n"
        f"CREATE USER owner@'%' IDENTIFIED BY '{PASSWORD}';\n"
        "GRANT ALL ON *.* TO owner@'%';\n"
        "CREATE DATABASE app;\n",
        "utf-8",
    )
    command = (program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--port={port}", *user)
    files = [f"--ssl-{name}={folder}/{file}" for name, file in TLS_FILES.items()]
    options = ("--bind-address=127.0.0.1", f"--socket={folder}/my.sock", f"--init-file={start}")
    with started((*command, *options, *files), cwd=folder):
        eventually((folder / "my.sock").exists)
        yield port


TLS_FILES = {"ca": "ca.crt", "cert": "server.crt", "key": "server.key"}


@contextmanager
def started(command: Sequence[str | Path], **options: Any) -> Iterator[None]:
    """Run a server, and end it."""
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)
