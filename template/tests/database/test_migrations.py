import asyncio
from collections.abc import Iterator
# {% if database_driver in ("asyncmy", "aiosqlite") %}
from datetime import datetime
# {% endif %}
from io import StringIO
# {% if database_driver in ("asyncmy", "aiosqlite") %}
from pathlib import Path
# {% endif %}

import pytest
from alembic import command
from alembic.script import ScriptDirectory
# {% if database_driver in ("asyncmy", "aiosqlite") %}
from sqlalchemy import Column, Table, make_url
# {% else %}
from sqlalchemy import make_url
# {% endif %}
from sqlalchemy.exc import DBAPIError

from {{ package_name }}.database import driver
# {% if database_driver in ("asyncmy", "aiosqlite") %}
from {{ package_name }}.database.types import Id, UtcDateTime
# {% endif %}
from {{ package_name }}.migrations.upgrade import upgrade_database
# {% if database_driver in ("asyncmy", "aiosqlite") %}
from {{ package_name }}.models import METADATA
# {% endif %}
# {% if database_driver != "aiosqlite" %}
from {{ package_name }}.settings import DatabaseSettings
# {% endif %}

from tests.conftest import alembic_config
from tests.databases import provide_database, run_admin_sql


@pytest.fixture
def empty_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with provide_database() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        # {% if database_driver != "aiosqlite" %}
        # What .env names as DATABASE_MIGRATION_URL must not be migrated.
        monkeypatch.setitem(DatabaseSettings.model_config, "env_file", None)
        # {% endif %}
        yield url


def test_the_models_are_what_the_migrations_make(empty_database: str) -> None:
    config = alembic_config()
    # Tables of others are left alone.
    asyncio.run(run_admin_sql(empty_database, "CREATE TABLE spatial_ref_sys (srid INTEGER)"))

    command.upgrade(config, "head")
    command.check(config)


def test_migrations_say_what_they_have_done(
    empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrade_database()
    up_to_date = capsys.readouterr().out
    for statement in ("DELETE FROM alembic_version", "INSERT INTO alembic_version VALUES ('9999')"):
        asyncio.run(run_admin_sql(empty_database, statement))
    upgrade_database()

    assert up_to_date == "The schema is up to date.\n"
    assert capsys.readouterr().out == "Nothing to do: revision 9999 is newer than this code.\n"


# {% if database_driver == "aiosqlite" %}
def test_migrations_that_cannot_begin_say_why(
    monkeypatch: pytest.MonkeyPatch, empty_database: str, tmp_path: Path
) -> None:
# {% else %}
def test_migrations_that_cannot_begin_say_why(
    monkeypatch: pytest.MonkeyPatch, empty_database: str
) -> None:
# {% endif %}
    # {% if database_driver == "aiosqlite" %}
    name, reason = "DATABASE_URL", "file is not a database"
    (tmp_path / "text").write_text("not a database", "utf-8")
    absent = make_url(empty_database).set(database=str(tmp_path / "text"))
    # {% else %}
    name, reason = "DATABASE_MIGRATION_URL", "absent"
    absent = make_url(empty_database).set(database="absent")
    # {% endif %}
    monkeypatch.setenv(name, absent.render_as_string(hide_password=False))

    with pytest.raises(SystemExit, match=f"Cannot migrate, check {name}: .*{reason}") as stop:
        upgrade_database()

    assert "\n" not in str(stop.value)


def test_migrations_as_sql_need_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    config = alembic_config()
    config.output_buffer = StringIO()

    command.upgrade(config, "head", sql=True)

    has_migrations = bool(ScriptDirectory.from_config(config).get_heads())
    assert ("CREATE TABLE" in config.output_buffer.getvalue()) == has_migrations


@pytest.mark.usefixtures("empty_database")
async def test_migrations_run_where_an_event_loop_runs() -> None:
    command.upgrade(alembic_config(), "head")
    command.check(alembic_config())


@pytest.mark.usefixtures("empty_database")
def test_migrations_can_be_undone() -> None:
    config = alembic_config()

    command.upgrade(config, "head")
    command.downgrade(config, "base")
    command.upgrade(config, "head")


# {% if database_driver in ("asyncmy", "aiosqlite") %}
@pytest.mark.usefixtures("empty_database")
def test_a_migration_names_no_type_of_this_service(tmp_path: Path) -> None:
    config = alembic_config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(tmp_path))
    at: Column[datetime] = Column("at", UtcDateTime, nullable=False, index=True)
    table = Table("moments", METADATA, Column("id", Id, primary_key=True), at)
    try:
        command.revision(config, message="moments", autogenerate=True)
        command.upgrade(config, "head")
        command.check(config)
    finally:
        METADATA.remove(table)


# {% endif %}
@pytest.mark.usefixtures("database_url")
def test_migrations_begin_with_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MIGRATION_SETTINGS", ("NO SUCH SETTING",))

    with pytest.raises(DBAPIError, match="NO SUCH SETTING"):
        command.current(alembic_config())
# {% if postgresql %}


def test_migrations_wait_for_their_turn(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(run_admin_sql(empty_database, "CREATE SEQUENCE turns"))
    monkeypatch.setattr(driver, "MIGRATION_LOCK", "SELECT nextval('turns') > 1")

    command.upgrade(alembic_config(), "head")

    ((turns,),) = asyncio.run(run_admin_sql(empty_database, "SELECT last_value FROM turns"))
    assert turns == 2
# {% endif %}
