"""Database drivers: the facts about each that decide what the template renders.

Context: `driver`, a row of the table below, and `postgresql`, whether the server is PostgreSQL.
How a driver behaves at run time is the business of the rendered `database/driver.py`.

This file imports nothing from its siblings: on `copier update` the old and the new version of it
run in one process, and a sibling would be served from the wrong one's module cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from copier_template_extensions import ContextHook


@dataclass(frozen=True, kw_only=True)
class Driver:
    """One row: a driver and the database it speaks to."""

    name: str
    """The answer to `database_driver`, and the module that is imported."""
    database: str
    """The database's name in prose."""
    family: Literal["postgresql", "mysql", "sqlite"]
    url_scheme: str
    """What SQLAlchemy expects before `://`."""
    example_url: str
    """A URL as people write it, for help and error messages."""
    requirement: str
    """What the service declares as its dependency."""
    default_port: int | None
    """TCP port of the server; None when the database is a file."""
    max_connections: int | None
    """Connections a server accepts as installed; None when the database is a file."""

    @property
    def postgresql(self) -> bool:
        """Whether the server is PostgreSQL."""
        return self.family == "postgresql"

    @property
    def mysql(self) -> bool:
        """Whether the server is MySQL or MariaDB."""
        return self.family == "mysql"

    @property
    def sqlite(self) -> bool:
        """Whether the database is a file of SQLite."""
        return self.family == "sqlite"


DRIVERS = {
    driver.name: driver
    for driver in (
        Driver(
            name="asyncpg",
            database="PostgreSQL",
            family="postgresql",
            url_scheme="postgresql+asyncpg",
            example_url="postgresql://user:password@localhost:5432/database",
            requirement="asyncpg>=0.32,<1",
            default_port=5432,
            max_connections=100,
        ),
        Driver(
            name="psycopg",
            database="PostgreSQL",
            family="postgresql",
            url_scheme="postgresql+psycopg",
            example_url="postgresql://user:password@localhost:5432/database",
            requirement="psycopg[binary]>=3.3,<4",
            default_port=5432,
            max_connections=100,
        ),
        Driver(
            name="aiosqlite",
            database="SQLite",
            family="sqlite",
            url_scheme="sqlite+aiosqlite",
            example_url="sqlite:///service.db",
            requirement="aiosqlite>=0.22,<1",
            default_port=None,
            max_connections=None,
        ),
        Driver(
            name="asyncmy",
            database="MySQL or MariaDB",
            family="mysql",
            url_scheme="mysql+asyncmy",
            example_url="mysql://user:password@localhost:3306/database",
            requirement="asyncmy>=0.2.18,<1",
            default_port=3306,
            max_connections=151,
        ),
    )
}


class DriversExtension(ContextHook):
    """Adds `driver` and `postgresql` once the driver is chosen."""

    def hook(self, context: dict[str, Any]) -> None:
        """Add `driver` and `postgresql` to the context."""
        # Not every answer has been validated when a question is rendered.
        driver = DRIVERS.get(str(context.get("database_driver")))
        if driver is not None:
            context["driver"] = driver
            context["postgresql"] = driver.postgresql
