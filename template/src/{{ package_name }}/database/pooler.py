"""The settings of each PostgreSQL session, also behind a pooler in transaction mode.

Such a pooler may give each transaction another connection of the server. It refuses or loses
settings that are made when connecting, so each transaction begins by setting them.
"""

import re

from sqlalchemy import Connection, event, func, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..settings import Settings

POOLER_SIGNS = re.compile(r"unsupported startup parameter|prepared statement .* exist")
"""Messages of a pooler that does not know a parameter, and of a server that has a prepared
statement of another client."""


def session_settings(settings: Settings) -> dict[str, str]:
    """Return the settings of each session, as the view ``pg_settings`` shows them."""
    return {
        "TimeZone": "UTC",
        "statement_timeout": f"{settings.statement_timeout * 1000:.0f}",
        "lock_timeout": f"{settings.lock_timeout * 1000:.0f}",
    }


def begin_transactions(engine: AsyncEngine, settings: Settings, *, read_only: bool) -> None:
    """Begin each transaction with the settings, which are valid until its end."""
    values = session_settings(settings)
    if read_only:
        values["transaction_read_only"] = "on"
    # The last argument lets them end with the transaction.
    statement = select(*(func.set_config(name, value, true()) for name, value in values.items()))

    @event.listens_for(engine.sync_engine, "begin")
    def set_up(connection: Connection) -> None:
        connection.execute(statement)


async def session_fault(
    connection: AsyncConnection, settings: Settings, *, read_only: bool
) -> str | None:
    """Return which settings are not in effect in a transaction, and how to correct that."""
    wanted = {**session_settings(settings), "transaction_read_only": "on" if read_only else "off"}
    rows = await connection.execute(text("SELECT name, setting FROM pg_settings"))
    held = {name: value for name, value in rows.all() if name in wanted}
    lost = {name: value for name, value in wanted.items() if held[name] != value}
    if not lost:
        return None
    if settings.database_pooler == "none":
        return f"a pooler drops {', '.join(lost)}: set DATABASE_POOLER=transaction"
    role = await connection.scalar(text("SELECT quote_ident(current_user)"))
    cures = [f"ALTER ROLE {role} SET {name} = '{value}'" for name, value in lost.items()]
    return f"{', '.join(lost)} do not hold behind the pooler: {'; '.join(cures)}"
