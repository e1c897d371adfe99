from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Column, Table
from sqlalchemy.exc import DBAPIError

from {{ package_name }}.database import driver
from {{ package_name }}.database.types import Id, UtcDateTime
from {{ package_name }}.models import METADATA

from tests.conftest import alembic_config
from tests.databases import provide_database


@pytest.fixture
def _empty_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with provide_database() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        yield


@pytest.mark.usefixtures("_empty_database")
def test_the_models_are_what_the_migrations_make() -> None:
    config = alembic_config()

    command.upgrade(config, "head")
    command.check(config)


@pytest.mark.usefixtures("_empty_database")
def test_migrations_can_be_undone() -> None:
    config = alembic_config()

    command.upgrade(config, "head")
    command.downgrade(config, "base")
    command.upgrade(config, "head")


@pytest.mark.usefixtures("_empty_database")
def test_alembic_writes_a_migration_that_runs(tmp_path: Path) -> None:
    config = alembic_config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(tmp_path))
    at: Column[datetime] = Column("at", UtcDateTime, nullable=False)
    table = Table("moments", METADATA, Column("id", Id, primary_key=True), at)
    try:
        command.revision(config, message="moments", autogenerate=True)
        command.upgrade(config, "head")
        command.check(config)
    finally:
        METADATA.remove(table)

    (file,) = tmp_path.glob("*_moments.py")
    assert "{{ package_name }}" not in file.read_text()


@pytest.mark.usefixtures("database_url")
def test_migrations_begin_with_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MIGRATION_SETTINGS", ("NO SUCH SETTING",))

    with pytest.raises(DBAPIError, match="NO SUCH SETTING"):
        command.current(alembic_config())
