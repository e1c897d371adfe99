"""A connection is asked before its use: one that lives is kept, another one replaced."""

from {{ package_name }}.database.engine import Database
from {{ package_name }}.settings import Settings

from tests.databases import end_connections
from tests.faults.pools import OWN_NUMBER


async def test_a_connection_is_kept_until_the_server_ends_it(settings: Settings) -> None:
    async with Database.open(settings) as database:

        async def number() -> int:
            async with database.read() as session:
                return int(await session.scalar(OWN_NUMBER))

        first = await number()
        assert await number() == first

        await end_connections(settings.database_url)

        assert await number() != first
