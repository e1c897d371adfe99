import asyncio

from {{ package_name }}.database.engine import Database
from {{ package_name }}.settings import Settings


async def test_a_pool_tells_for_how_long_nothing_has_come_back(settings: Settings) -> None:
    one = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    async with Database.open(one) as database:
        before = database.read_watch.seconds_exhausted()
        async with database.read_engine.connect():
            await asyncio.sleep(0.05)
            during = database.read_watch.seconds_exhausted()
        after = database.read_watch.seconds_exhausted()

    assert before == after == 0
    assert during >= 0.05
