"""What hosting companies, Compose and Helm set works, and what does not is told in words."""

import pytest
from sqlalchemy import URL, text

from order_desk.database.engine import Database
from order_desk.database.preflight import verify_database
from order_desk.database_url import parse_database_url
from order_desk.settings import Settings, load_settings

OF_A_HOSTING_COMPANY = (
    "sslmode=prefer&application_name=desk&connect_timeout=10"
    "&options=-c%20search_path%3Dtenant&target_session_attrs=primary"
)


def with_parameters(url: URL, parameters: str) -> str:
    plain = url.difference_update_query(["dsn"]).update_query_string(parameters)
    return plain.set(drivername="postgresql").render_as_string(hide_password=False)


async def test_the_parameters_of_postgresql_are_those_of_a_url(settings: Settings) -> None:
    url = parse_database_url(with_parameters(settings.database_url, OF_A_HOSTING_COMPANY))
    hosted = Settings(_env_file=None, database_url=url)
    await verify_database(hosted)
    async with Database.open(hosted) as database, database.read() as session:
        name = await session.scalar(text("SHOW application_name"))
        path = await session.scalar(text("SHOW search_path"))

    assert (name, path) == ("desk", "tenant")


async def test_tls_is_used_where_the_url_demands_it(settings: Settings) -> None:
    url = parse_database_url(with_parameters(settings.database_url, "sslmode=require"))
    async with Database.open(settings) as database, database.read() as session:
        has_tls = await session.scalar(text("SHOW ssl")) == "on"

    hosted = settings.model_copy(update={"database_url": url})
    if not has_tls:
        with pytest.raises(SystemExit, match="SSL"):
            await verify_database(hosted)
        return
    async with Database.open(hosted) as database, database.read() as session:
        query = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert await session.scalar(query)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("pgbouncer=true", 'unrecognized configuration parameter "pgbouncer"'),
        ("sslmode=verify-full", "root certificate file"),
        ("target_session_attrs=standby", "target"),
    ],
)
async def test_a_parameter_that_cannot_be_met_stops_the_start(
    settings: Settings, parameters: str, reason: str
) -> None:
    url = parse_database_url(with_parameters(settings.database_url, parameters))

    with pytest.raises(SystemExit, match=reason):
        await verify_database(settings.model_copy(update={"database_url": url}))


async def test_what_is_wrong_with_a_url_is_told_without_its_secrets(settings: Settings) -> None:
    absent = with_parameters(settings.database_url.set(database="absent"), "sslpassword=hunter2")
    wrong = settings.model_copy(update={"database_url": parse_database_url(absent)})

    with pytest.raises(SystemExit, match='database "absent" does not exist') as stop:
        await verify_database(wrong)

    assert "hunter2" not in str(stop.value)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    url = with_parameters(settings.database_url, "")
    monkeypatch.setenv("DATABASE_URL", f"{url}\n")
    for name in ("HOST", "WORKERS", "DATABASE_READ_URL", "CORS_ORIGINS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("LOG_LEVEL", "warn")

    read = load_settings()

    assert (read.host, read.workers, read.database_read_url) == ("127.0.0.1", 2, None)
    assert read.log_level == "WARN"
