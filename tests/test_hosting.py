"""A service where others run it: on the URLs of hosting companies, and installed from a wheel."""

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import ServiceWith
from tests.helpers import tls
from tests.helpers.process import PROVIDE, provider
from tests.helpers.service import Service, attempt, run
from tests.helpers.updates import substitute

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hosting")]

Expected = dict[str, list[str] | str]

CONNECT = """
import asyncio, json, logging, os, sys
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from order_desk.database.engine import Database
from order_desk.database.preflight import verify_database
from order_desk.settings import load_settings

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
query, *urls = sys.argv[1:]

async def connect():
    settings = load_settings()
    await verify_database(settings)
    async with Database.open(settings) as database:
        async with database.read() as session:
            read = [str(value) for value in (await session.execute(text(query))).one()]
        async with database.write() as session:
            await session.execute(text("SELECT 1"))
    engine = create_async_engine(settings.database_url)
    async with engine.connect() as connection:
        migrated = [str(value) for value in (await connection.execute(text(query))).one()]
    await engine.dispose()
    assert read == migrated, (read, migrated)
    return read

async def attempt():
    try:
        return await connect()
    except SystemExit as end:
        return str(end)

for url in urls:
    os.environ["DATABASE_URL"] = url
    print(json.dumps(asyncio.run(attempt())))
"""
"""Reads, writes and connects as a migration does, by each URL; prints what a query says."""

OF_POSTGRESQL = (
    "SELECT ssl, current_setting('application_name'), current_setting('search_path')"
    " FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
)
DEFAULT = ["order_desk", '"$user", public']
USER = f"postgresql://postgres:{quote(tls.PASSWORD, safe='')}"


@pytest.fixture(scope="module")
def certificates() -> Iterator[Path]:
    with tls.folder_with_certificates() as folder:
        yield folder


def results(service: Service, query: str, urls: list[str], python: str | None) -> list[object]:
    """Return what comes of each URL: what the query says, or the line that ends the start."""
    interpreter = service.environment(python).python
    printed = run(
        interpreter,
        "-c",
        CONNECT,
        query,
        *urls,
        cwd=service.folder,
        PYTHONPATH=str(service.folder / "src"),
    )
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_postgresql_is_reached_as_its_url_says(
    service_with: ServiceWith, pytestconfig: pytest.Config, certificates: Path, driver: str
) -> None:
    ca, other = f"sslrootcert={certificates}/ca.crt", f"sslrootcert={certificates}/other.crt"
    with tls.postgres(certificates) as port:
        at, near = f"{USER}@localhost:{port}/postgres", f"{USER}@127.0.0.1:{port}/postgres"
        hosts = f"localhost:1,localhost:{port}"
        expected: Expected = {
            f" {at}\n": ["True", *DEFAULT],
            f"{at}?sslmode=disable": ["False", *DEFAULT],
            f"{at}?sslmode=require&channel_binding=require": ["True", *DEFAULT],
            f"{at}?ssl=true&keepalives=1&gssencmode=disable": ["True", *DEFAULT],
            f"{near}?sslmode=verify-ca&{ca}": ["True", *DEFAULT],
            f"{at}?sslmode=verify-full&{ca}": ["True", *DEFAULT],
            f"{near}?sslmode=verify-full&{ca}": "127.0.0.1",
            f"{at}?sslmode=verify-full&{other}": "certificate verify failed",
            f"{at}?sslmode=verify-full&sslrootcert=/absent": "sslrootcert: there is no file",
            f"{at}?application_name=desk&options=-csearch_path%3Dtenant": [
                *("True", "desk", "tenant"),
            ],
            f"{at}?search_path=tenant": ["True", "order_desk", "tenant"],
            f"{at}?search_path=tenant,%20public": ["True", "order_desk", "tenant, public"],
            f"{at}?sslrootcert=system": "certificate verify failed",
            f"{USER}@{hosts}/postgres?target_session_attrs=read-write": ["True", *DEFAULT],
            f"{USER}@/postgres?host=localhost:1&host=localhost:{port}": ["True", *DEFAULT],
            f"{USER}@/postgres?host={certificates}/sockets&port={port}": ["False", *DEFAULT],
            f"{at}?target_session_attrs=standby": "standby",
            f"{at}?pgbouncer=true": '"pgbouncer"; leave it out of the URL',
            f"{at}?gssencmode=require": "GSSAPI" if driver == "psycopg" else "leave it out",
            f"postgresql://postgres:wrong@localhost:{port}/postgres": "password authentication",
            f"{USER}@localhost:{port}/absent": 'database "absent" does not exist',
            f"{USER}@localhost:1/postgres": "refused",
            f"{USER}@absent.invalid/postgres": "Name or service not known",
        }

        python = pytestconfig.getoption("service_python")
        found = results(service_with(database_driver=driver), OF_POSTGRESQL, list(expected), python)

    check(expected, found)


def test_mariadb_is_reached_as_its_url_says(
    service_with: ServiceWith, pytestconfig: pytest.Config, certificates: Path
) -> None:
    ca, other = f"ssl-ca={certificates}/ca.crt", f"ssl_ca={certificates}/other.crt"
    with tls.mariadb(certificates) as port:
        user = f"mysql://owner:{quote(tls.PASSWORD, safe='')}"
        at, near = f"{user}@localhost:{port}/app", f"{user}@127.0.0.1:{port}/app"
        expected: Expected = {
            f" {near}\n": [""],
            f"{near}?charset=utf8&connect_timeout=3": [""],
            f"{near}?ssl-mode=DISABLED&{ca}": [""],
            f"{near}?ssl-mode=REQUIRED": ["TLS"],
            f"{near}?ssl=true": ["TLS"],
            f"{near}?ssl-mode=VERIFY_CA&{ca}": ["TLS"],
            f"{at}?ssl-mode=VERIFY_IDENTITY&{ca}": ["TLS"],
            f"{near}?ssl-mode=VERIFY_IDENTITY&{ca}": "certificate is not valid for",
            f"{at}?ssl-mode=VERIFY_CA&{other}": "certificate verify failed",
            f"{near}?ssl-mode=PREFERRED": "ssl-mode=PREFERRED: write one of DISABLED",
            f"{user}@localhost/app?unix_socket={certificates}/my.sock": [""],
            f"mysql://owner:wrong@127.0.0.1:{port}/app": "Access denied for user 'owner'",
            f"{user}@127.0.0.1:{port}/absent": "Unknown database 'absent'",
            f"{user}@127.0.0.1:1/app": "refused",
        }
        query = (
            "SELECT LEFT(variable_value, 3) FROM information_schema.session_status"
            " WHERE variable_name = 'SSL_CIPHER'"
        )

        python = pytestconfig.getoption("service_python")
        found = results(service_with(database_driver="asyncmy"), query, list(expected), python)

    check(expected, found)


def check(expected: Expected, found: list[object]) -> None:
    """Compare; where a start ends, it says so in one line that has no password."""
    for (url, wanted), result in zip(expected.items(), found, strict=True):
        if isinstance(wanted, list):
            assert result == wanted, url
            continue
        assert isinstance(result, str), url
        assert result.startswith("Cannot start, check "), url
        assert wanted in result, url
        assert "\n" not in result
        assert tls.PASSWORD not in result
        assert quote(tls.PASSWORD, safe="") not in result


@pytest.mark.parametrize("driver", ["asyncpg", "aiosqlite"])
def test_a_wheel_migrates_its_database_with_its_url_alone(
    service_with: ServiceWith, pytestconfig: pytest.Config, tmp_path: Path, driver: str
) -> None:
    rendered = service_with(database_driver=driver)
    folder = tmp_path / "service"
    shutil.copytree(rendered.folder, folder)
    settings = folder / "src/order_desk/settings.py"
    substitute(settings, r"^    log_level: .*\n", r"\g<0>    key_of_the_owner: str\n")
    uv = (sys.executable, "-m", "uv")
    run(*uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path, folder, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    environment = rendered.environment(pytestconfig.getoption("service_python"))
    migrate = (environment.python, "-m", "order_desk", "migrate")

    with provider(rendered, environment, PROVIDE) as (_, url):
        variables = {"PYTHONPATH": str(installed), "DATABASE_URL": url}
        first = run(*migrate, cwd=empty, **variables)
        second = run(*migrate, cwd=empty, **variables)
        served = attempt(*migrate[:-1], cwd=empty, **variables)

    assert "-> 0001, Users and orders" in first
    assert "-> 0001" not in second
    assert "The schema is up to date." in second
    assert "KEY_OF_THE_OWNER: Field required" in served.output
    assert not list(empty.iterdir())
