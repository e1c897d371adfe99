import asyncio

import pytest

from {{ package_name }}.database.gate import (
    WAITERS_PER_PERMIT,
    Gate,
    Overloaded,
)


async def hold(gate: Gate, until: asyncio.Event) -> None:
    async with gate:
        await until.wait()


async def assert_free(gate: Gate) -> None:
    async with asyncio.timeout(1), gate:
        pass


async def test_the_longest_waiting_passes_first() -> None:
    gate = Gate(permits=1, timeout=5)
    passed: list[int] = []

    async def pass_through(number: int) -> None:
        async with gate:
            passed.append(number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(pass_through(number))

    assert passed == [0, 1, 2, 3, 4]


async def test_a_full_queue_refuses_at_once() -> None:
    gate = Gate(permits=1, timeout=5)
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(1 + WAITERS_PER_PERMIT):
            group.create_task(hold(gate, done))
        await asyncio.sleep(0)

        with pytest.raises(Overloaded):
            async with asyncio.timeout(1):
                await gate.__aenter__()

        done.set()


async def test_waiting_ends_at_the_timeout() -> None:
    gate = Gate(permits=1, timeout=0.01)
    async with gate:
        with pytest.raises(Overloaded):
            async with asyncio.timeout(5):
                await gate.__aenter__()

    await assert_free(gate)


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    gate = Gate(permits=1, timeout=5)
    async with gate:
        for _ in range(WAITERS_PER_PERMIT + 1):
            waiter = asyncio.ensure_future(hold(gate, asyncio.Event()))
            await asyncio.sleep(0)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter

    await assert_free(gate)
