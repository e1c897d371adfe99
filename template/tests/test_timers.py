import asyncio

from {{ package_name }}.timers import SharedTimer


async def test_it_rings_for_what_is_not_taken_out() -> None:
    rung: list[str] = []
    timer = SharedTimer(rung.append, seconds=0.02)

    for item in ("first", "second", "third"):
        timer.add(item)
    timer.discard("second")
    await asyncio.sleep(0.05)

    assert rung == ["first", "third"]


async def test_each_item_has_the_whole_time() -> None:
    loop = asyncio.get_running_loop()
    added: dict[str, float] = {}
    waited: dict[str, float] = {}
    timer = SharedTimer[str](
        lambda item: waited.update({item: loop.time() - added[item]}), seconds=0.05
    )

    for item in ("first", "second", "third"):
        added[item] = loop.time()
        timer.add(item)
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)

    assert list(waited) == ["first", "second", "third"]
    assert min(waited.values()) >= 0.045


async def test_it_begins_anew_when_nothing_was_left() -> None:
    rung: list[str] = []
    timer = SharedTimer(rung.append, seconds=0.02)

    timer.add("early")
    timer.discard("early")
    await asyncio.sleep(0.01)
    timer.add("late")
    await asyncio.sleep(0.015)
    assert rung == []
    await asyncio.sleep(0.02)

    assert rung == ["late"]
