from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy.exc import DBAPIError

from {{ package_name }}.database import driver

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


@pytest.mark.usefixtures("database_url")
def test_migrations_begin_with_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MIGRATION_SETTINGS", ("NO SUCH SETTING",))

    with pytest.raises(DBAPIError, match="NO SUCH SETTING"):
        command.current(alembic_config())
