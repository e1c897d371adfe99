import asyncio

from {{ package_name }}.timers import SharedTimer


class Waiting:
    def __init__(self, *, seconds: float) -> None:
        self.timer = SharedTimer(self._note, seconds=seconds)
        self.waited: dict[str, float] = {}
        self._added: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()

    def add(self, item: str) -> None:
        self._added[item] = self._loop.time()
        self.timer.add(item)

    def _note(self, item: str) -> None:
        self.waited[item] = self._loop.time() - self._added[item]


async def test_it_rings_for_what_is_not_taken_out() -> None:
    rung: list[str] = []
    timer = SharedTimer(rung.append, seconds=0.02)

    for item in ("first", "second", "third"):
        timer.add(item)
    timer.discard("second")
    await asyncio.sleep(0.05)

    assert rung == ["first", "third"]


async def test_each_item_has_the_whole_time() -> None:
    waiting = Waiting(seconds=0.05)

    for item in ("first", "second", "third"):
        waiting.add(item)
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)

    assert list(waiting.waited) == ["first", "second", "third"]
    assert min(waiting.waited.values()) >= 0.045


async def test_it_begins_anew_when_nothing_was_left() -> None:
    waiting = Waiting(seconds=0.05)

    waiting.add("early")
    waiting.timer.discard("early")
    await asyncio.sleep(0.02)
    waiting.add("late")
    await asyncio.sleep(0.1)

    assert list(waiting.waited) == ["late"]
    assert waiting.waited["late"] >= 0.045
