"""Claims about places and the queue before them."""

import asyncio
from contextlib import suppress

import pytest

from app.errors import Busy
from app.http.turns import Turns


async def held(turns: Turns, inside: list[int], number: int, leave: asyncio.Event) -> None:
    async with turns:
        inside.append(number)
        await leave.wait()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_queue_is_served_in_order_and_never_more_than_its_places():
    async def main() -> None:
        turns, inside = Turns(2, waiting=10, seconds=60), []
        leave = [asyncio.Event() for _ in range(6)]
        tasks = [asyncio.create_task(held(turns, inside, i, leave[i])) for i in range(6)]
        await settled()
        assert (inside, turns.taken, turns.waiting) == ([0, 1], 2, 4)
        for i in (1, 0, 2, 3, 4, 5):
            leave[i].set()
            await settled()
            assert turns.taken <= 2
        assert inside == [0, 1, 2, 3, 4, 5]
        assert (turns.taken, turns.waiting, turns.refused) == (0, 0, 0)
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_who_is_beyond_the_queue_is_refused_and_so_is_who_waits_too_long():
    async def main() -> None:
        turns, inside, leave = Turns(1, waiting=1, seconds=0.05), [], asyncio.Event()
        first = asyncio.create_task(held(turns, inside, 0, leave))
        second = asyncio.create_task(held(turns, inside, 1, leave))
        await settled()
        with pytest.raises(Busy, match="max_waiting"):
            await held(turns, inside, 2, leave)
        with pytest.raises(Busy, match="wait_seconds"):
            await second
        assert (turns.taken, turns.waiting, turns.refused) == (1, 0, 2)
        leave.set()
        await first
        await held(turns, inside, 3, leave)
        assert (inside, turns.taken) == ([0, 3], 0)

    asyncio.run(main())


def test_who_leaves_while_waiting_or_at_his_turn_takes_no_place_along():
    async def main() -> None:
        turns, inside, leave = Turns(1, waiting=5, seconds=60), [], asyncio.Event()
        first = asyncio.create_task(held(turns, inside, 0, leave))
        waiting = [asyncio.create_task(held(turns, inside, i, leave)) for i in (1, 2, 3)]
        await settled()
        waiting[0].cancel()
        await settled()
        leave.set()
        await asyncio.sleep(0)  # the first has left, and the second's turn has come, but it has not run yet
        waiting[1].cancel()
        await settled()
        assert inside[0] == 0
        assert 3 in inside
        assert (turns.taken, turns.waiting) == (0, 0)
        for task in (first, *waiting):
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_what_breaks_inside_gives_its_place_back():
    async def main() -> None:
        turns = Turns(1, waiting=0, seconds=1)
        for _ in range(3):
            with pytest.raises(ValueError, match="broken"):
                async with turns:
                    raise ValueError("broken")
        assert turns.taken == 0

    asyncio.run(main())
