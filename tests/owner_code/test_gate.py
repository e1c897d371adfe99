"""How many pass a gate, also when a permit and a cancellation come in the same turn."""

import asyncio
import time

import pytest

from order_desk.database.gate import Gate

from tests.database.test_gate import assert_free, hold


async def test_no_more_pass_than_there_are_permits() -> None:
    gate = Gate(permits=2, timeout=5)
    inside = most = 0

    async def pass_through() -> None:
        nonlocal inside, most
        async with gate:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(pass_through())

    assert most == 2


@pytest.mark.parametrize("permit_comes_first", [True, False])
async def test_a_permit_that_comes_with_a_cancellation_is_passed_on(
    *, permit_comes_first: bool
) -> None:
    gate = Gate(permits=1, timeout=5)
    async with gate:
        waiter = asyncio.ensure_future(hold(gate, asyncio.Event()))
        await asyncio.sleep(0)
        if not permit_comes_first:
            waiter.cancel()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter

    await assert_free(gate)


@pytest.mark.parametrize("permit_comes_too", [True, False])
async def test_a_refusal_that_comes_with_a_cancellation_is_no_permit(
    *, permit_comes_too: bool
) -> None:
    gate = Gate(permits=1, timeout=0.01)
    await gate.__aenter__()
    waiter = asyncio.ensure_future(hold(gate, asyncio.Event()))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, waiter.cancel)
    time.sleep(0.05)  # noqa: ASYNC251 - all are due when the event loop comes to look
    if permit_comes_too:
        await gate.__aexit__(None, None, None)
    with pytest.raises(asyncio.CancelledError):
        await waiter
    if not permit_comes_too:
        await gate.__aexit__(None, None, None)

    await assert_free(gate)
