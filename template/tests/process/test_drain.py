import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType, SimpleNamespace

import pytest

from {{ package_name }}.server import drain as drain_module
from {{ package_name }}.server.drain import Drain

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def handed_over() -> Iterator[list[int]]:
    """What the server gets whose handlers are in place; they are in place again in the end."""
    got: list[int] = []

    def handler(number: int, _frame: FrameType | None) -> None:
        got.append(number)

    before = {number: signal.signal(number, handler) for number in SIGNALS}
    yield got
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in SIGNALS:
        assert signal.signal(number, before[number]) is handler


async def until_handed_over(got: list[int], *, count: int) -> None:
    async with asyncio.timeout(30):
        while len(got) < count:  # noqa: ASYNC110 - a handler of signals sets no event
            await asyncio.sleep(0.01)


@pytest.fixture
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain_module, "STOP_SECONDS", 0)


async def test_the_server_gets_sigterm_after_the_drain(handed_over: list[int]) -> None:
    with Drain.installed(0.1) as drain:
        assert not drain.draining
        start = time.monotonic()

        signal.raise_signal(signal.SIGTERM)

        assert drain.draining
        # The system ends what does not end.
        assert signal.getitimer(signal.ITIMER_REAL)[0] > drain_module.SHUTDOWN_SECONDS
        await until_handed_over(handed_over, count=1)
    assert time.monotonic() - start >= 0.1
    assert handed_over == [signal.SIGTERM]


@pytest.mark.usefixtures("_no_wait")
async def test_a_second_sigterm_makes_the_server_abandon_what_runs(handed_over: list[int]) -> None:
    with Drain.installed(600):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

        assert handed_over == [signal.SIGTERM]
        await until_handed_over(handed_over, count=2)
    assert handed_over == [signal.SIGTERM, signal.SIGINT]


@pytest.mark.usefixtures("_no_wait")
async def test_ctrl_c_makes_the_server_abandon_what_runs(handed_over: list[int]) -> None:
    with Drain.installed(600) as drain:
        signal.raise_signal(signal.SIGINT)

        assert drain.draining
        await until_handed_over(handed_over, count=2)
    assert handed_over == [signal.SIGINT, signal.SIGINT]


async def test_a_worker_leaves_when_its_supervisor_has_died(
    handed_over: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel, life = os.pipe()
    supervisor = SimpleNamespace(sentinel=sentinel)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: supervisor)

    with Drain.installed(600) as drain:
        os.close(life)
        await asyncio.sleep(0.05)

    os.close(sentinel)
    assert drain.draining
    assert handed_over == [signal.SIGTERM]


async def test_without_a_server_no_signal_is_touched() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]

    with Drain.installed(600):
        assert [signal.getsignal(number) for number in SIGNALS] == before


async def test_a_thread_leaves_the_signals_of_the_process_alone(handed_over: list[int]) -> None:
    async def serve() -> bool:
        with Drain.installed(600) as drain:
            signal.raise_signal(signal.SIGTERM)
            return drain.draining

    assert not await asyncio.to_thread(asyncio.run, serve())
    assert handed_over == [signal.SIGTERM]
