"""What is done every now and then goes on after a fault, and says so once."""

import asyncio
import logging
from contextlib import suppress

from app.http.app import _every


def test_a_fault_ends_nothing_and_is_logged_when_it_comes(caplog):
    rounds = []

    def task() -> None:
        rounds.append(None)
        if len(rounds) in (2, 3, 5):
            raise OSError("gone for a while")

    async def some() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                running = asyncio.create_task(_every(0.001, task))
                while len(rounds) < 7:
                    await asyncio.sleep(0.001)
                running.cancel()

    with caplog.at_level(logging.ERROR, "neurona.http"):
        asyncio.run(some())
    assert len(rounds) >= 7
    assert len([record for record in caplog.records if "tried again" in record.message]) == 2
