"""Write the migration that the models ask for, compared with the database of ``poe dev``."""

import os
import sys

from alembic import command
from alembic.config import Config

from scripts.dev import PROJECT, database_url


def main() -> None:
    """Apply the migrations that are there, and write the one that is missing."""
    message = " ".join(sys.argv[1:])
    if not message:
        sys.exit('Say what changes: poe revision "invoices"')
    os.chdir(PROJECT)
    with database_url() as url:
        os.environ["DATABASE_URL"] = url
        os.environ["DATABASE_MIGRATION_URL"] = url
        config = Config(toml_file=PROJECT / "pyproject.toml")
        command.upgrade(config, "head")
        command.revision(config, message=message, autogenerate=True)


if __name__ == "__main__":
    main()
