"""Places for a few at once, and a bounded queue before them: who is beyond both is told to come again."""

import asyncio
from collections import deque
from types import TracebackType

from app.errors import Busy


class Turns:
    """`async with turns`: at most `places` are inside, and at most `waiting` wait, in the order they came, up to
    `seconds`. For one event loop."""

    def __init__(self, places: int, *, waiting: int, seconds: float) -> None:
        self.taken, self.refused = 0, 0  # now, and in all
        self._places, self._most, self._seconds = places, waiting, seconds
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._queue)

    async def __aenter__(self) -> None:
        """Take a place, at once or when it is one's turn. Raises: Busy."""
        if self.taken < self._places:
            self.taken += 1
        elif len(self._queue) < self._most:
            await self._turn()
        else:
            raise self._busy(f"{self._places} predictions are in flight already and {self._most} wait")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place to whoever has waited longest, or back."""
        self._pass_on()

    async def _turn(self) -> None:
        mine = asyncio.get_running_loop().create_future()
        self._queue.append(mine)
        try:
            async with asyncio.timeout(self._seconds):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled():
                self._pass_on()  # it came at the same moment
            elif mine in self._queue:
                self._queue.remove(mine)
            if isinstance(error, TimeoutError):
                raise self._busy(f"no place came free for a prediction in {self._seconds:g} s") from error
            raise

    def _pass_on(self) -> None:
        while self._queue:
            following = self._queue.popleft()
            if not following.done():
                following.set_result(None)
                return
        self.taken -= 1

    def _busy(self, reason: str) -> Busy:
        self.refused += 1
        return Busy(reason=f"{reason} (max_in_flight, max_waiting, wait_seconds)")
