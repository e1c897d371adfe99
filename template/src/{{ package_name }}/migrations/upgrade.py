"""Bring the schema up to date from wherever the package is installed."""

import sys

from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError


def upgrade_database() -> None:
    """Apply the migrations that the database lacks; raise SystemExit with the reason."""
    config = Config()
    config.set_main_option("script_location", f"{__package__}:.")
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError):
            message = f"Cannot migrate, {error}"
            raise SystemExit(message) from None
        # After a rollback of the code the database is newer than the code, which is no error.
        revision = error.__cause__.argument
        sys.stdout.write(f"Nothing to do: revision {revision} is newer than this code.\n")
    else:
        sys.stdout.write("The schema is up to date.\n")
