"""Fill the database of a service: ``python seed.py PACKAGE IDS``, in the service's environment.

Migrates first; writes the ids of all users to the file ``IDS``, one a line.
"""

import asyncio
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from answers import ORDERS
from sqlalchemy import delete, insert, text

USERS = 10_000
CHUNK = 1_000

ANALYZE = {
    "postgresql": "ANALYZE",
    "mysql": "ANALYZE TABLE users, orders",
    "mariadb": "ANALYZE TABLE users, orders",
    "sqlite": "ANALYZE",
}
"""Has the database count its rows, by SQLAlchemy's name of it."""


async def fill(package: str) -> list[str]:
    models = import_module(f"{package}.models")
    settings = import_module(f"{package}.settings").load_settings()
    new_id = import_module(f"{package}.database.base").uuid7
    users: list[dict[str, Any]] = [
        {"id": new_id(), "email": f"user{number}@example.com", "full_name": f"User {number}"}
        for number in range(USERS)
    ]
    orders = [
        {"user_id": user["id"], "item": f"Item {number}", "quantity": number}
        for user in users
        for number in range(1, ORDERS + 1)
    ]
    engine = import_module(f"{package}.database.engine")
    async with engine.Database.open(settings) as database:
        async with database.write() as session:
            await session.execute(delete(models.Order))
            await session.execute(delete(models.User))
            for model, rows in ((models.User, users), (models.Order, orders)):
                for start in range(0, len(rows), CHUNK):
                    await session.execute(insert(model), rows[start : start + CHUNK])
        async with database.write() as session:
            # Or the plans change under way, when the server comes to it by itself.
            await session.execute(text(ANALYZE[session.get_bind().dialect.name]))
    return [str(user["id"]) for user in users]


if __name__ == "__main__":
    command.upgrade(Config(toml_file="pyproject.toml"), "head")
    ids = asyncio.run(fill(sys.argv[1]))
    Path(sys.argv[2]).write_text("\n".join(ids))
