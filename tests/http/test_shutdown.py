"""What is to begin at a stop begins with the signal, beside whatever the signal did before."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from app.http.shutdown import at_stop


@pytest.fixture
def told() -> Iterator[list[int]]:
    numbers: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


def test_the_signal_begins_the_stop_and_reaches_its_former_handler(told: list[int]) -> None:
    async def serve() -> None:
        begun = asyncio.Event()
        with at_stop(begun.set):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(begun.wait(), 5)
        os.kill(os.getpid(), signal.SIGTERM)

    asyncio.run(serve())
    assert told == [signal.SIGTERM, signal.SIGTERM]


def test_a_thread_other_than_the_main_one_leaves_signals_alone(told: list[int]) -> None:
    async def serve() -> None:
        handler = signal.getsignal(signal.SIGTERM)
        with at_stop(lambda: None):
            assert signal.getsignal(signal.SIGTERM) is handler

    async def main() -> None:
        await asyncio.to_thread(asyncio.run, serve())

    asyncio.run(main())
    assert told == []
