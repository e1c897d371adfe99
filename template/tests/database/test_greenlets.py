import asyncio
import threading
import weakref
from contextvars import ContextVar

import pytest
from greenlet import getcurrent
from sqlalchemy.util import await_only

from {{ package_name }}.database.greenlets import greenlet_spawn
from {{ package_name }}.lifespan import State

number: ContextVar[int] = ContextVar("number", default=0)


class Thing: ...


thing: ContextVar[Thing] = ContextVar("thing")


async def current() -> object:
    return await greenlet_spawn(getcurrent)


async def test_a_greenlet_is_used_again() -> None:
    assert await current() is await current()


async def test_calls_at_the_same_time_have_one_each() -> None:
    def wait() -> object:
        await_only(asyncio.sleep(0))
        return getcurrent()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(greenlet_spawn(wait)) for _ in range(3)]

    assert len({task.result() for task in tasks}) == 3


async def test_an_error_is_raised_and_the_greenlet_goes_on() -> None:
    before = await current()

    def fail() -> None:
        await_only(asyncio.sleep(0))
        raise LookupError

    with pytest.raises(LookupError):
        await greenlet_spawn(fail)

    assert await current() is before


async def test_an_error_of_what_is_awaited_is_raised_where_it_is_awaited() -> None:
    async def fail() -> None:
        raise LookupError

    def recover() -> str:
        try:
            await_only(fail())
        except LookupError:
            return "recovered"
        return "not raised"

    assert await greenlet_spawn(recover) == "recovered"


async def test_a_cancellation_ends_the_call_and_the_greenlet_goes_on() -> None:
    before = await current()
    begun = asyncio.Event()
    ended: list[bool] = []

    def wait() -> None:
        begun.set()
        try:
            await_only(asyncio.sleep(60))
        finally:
            await_only(asyncio.sleep(0))
            ended.append(True)

    task = asyncio.create_task(greenlet_spawn(wait))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == [True]
    assert await current() is before


async def test_context_variables_are_those_of_the_caller() -> None:
    def count() -> int:
        number.set(number.get() + 1)
        return number.get()

    async def count_from(start: int) -> tuple[int, int]:
        number.set(start)
        return await greenlet_spawn(count), number.get()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(count_from(start)) for start in (10, 20)]

    assert [task.result() for task in tasks] == [(11, 11), (21, 21)]
    assert number.get() == 0


@pytest.mark.parametrize("fails", [False, True])
async def test_nothing_is_kept_of_a_call(fails: bool) -> None:  # noqa: FBT001 - a parameter of the test
    given = Thing()
    kept = weakref.ref(given)

    def call(it: Thing, *, other: Thing) -> Thing:
        if fails:
            raise LookupError(other)
        return it

    if fails:
        with pytest.raises(LookupError):
            await greenlet_spawn(call, given, other=given)
    else:
        await greenlet_spawn(call, given, other=given)
    del given

    assert kept() is None


async def test_nothing_is_kept_of_the_context_of_a_call() -> None:
    async def call_with(it: Thing) -> None:
        thing.set(it)
        await current()

    async def call() -> weakref.ref[Thing]:
        it = Thing()
        await asyncio.create_task(call_with(it))
        return weakref.ref(it)

    kept = await call()
    await asyncio.sleep(0)

    assert kept() is None


async def test_another_thread_has_greenlets_of_its_own() -> None:
    found: list[object] = []

    def run() -> None:
        found.append(asyncio.run(current()))

    before = await current()
    thread = threading.Thread(target=run)
    thread.start()
    await asyncio.to_thread(thread.join)

    assert found != [before]
    assert await current() is before


async def test_sessions_use_them_again(state: State) -> None:
    async with state["database"].read() as session:
        first = await session.run_sync(lambda _: getcurrent())
        second = await session.run_sync(lambda _: getcurrent())

    assert first is second


async def test_an_error_keeps_what_led_to_it() -> None:
    led_to_it: list[BaseException | None] = []

    def fail() -> None:
        try:
            int("x")
        finally:
            [].pop()

    try:
        int("y")
    except ValueError:
        with pytest.raises(IndexError) as raised:
            await greenlet_spawn(fail)
        led_to_it.append(raised.value.__context__)

    assert "'x'" in str(led_to_it)


async def test_a_call_that_is_dropped_ends() -> None:
    ended: list[bool] = []

    def wait() -> None:
        try:
            await_only(asyncio.sleep(60))
        finally:
            ended.append(True)

    call = greenlet_spawn(wait)
    call.send(None)
    call.close()

    assert ended == [True]


def test_greenlets_go_with_their_thread() -> None:
    kept: list[weakref.ref[object]] = []

    async def call() -> None:
        kept.append(weakref.ref(await current()))

    thread = threading.Thread(target=lambda: asyncio.run(call()))
    thread.start()
    thread.join()
    # The thread's greenlets die in it, or in the next one that switches.
    asyncio.run(call())

    assert kept[0]() is None
