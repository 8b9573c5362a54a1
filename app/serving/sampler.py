"""A sample of the rows that a version is asked about, counted as its training rows were: what drift is seen by.

Looking is on the path of every prediction, so most of them only compare two numbers: a few rows a second are enough.
"""

import threading
from math import exp, inf
from typing import NamedTuple

from app.serving.predictor import Rows, some
from core.profile import Counts, Profile

ROWS_PER_SECOND = 20.0
BURST = 400  # rows that may be looked at at once, after a pause
MEMORY = 20_000  # rows looked at after which one counts for 1/e: a quarter of an hour at least


class Seen(NamedTuple):
    """What a version was asked about, the latest rows counting most, and the clock's reading at the last of them."""

    counts: Counts
    last: float


class Sampler:
    """Counts rows of one version. `due`: when the next is wanted, by the clock that `take` is told, or infinity."""

    __slots__ = ("_counts", "_last", "_lock", "due", "profile")

    def __init__(self, profile: Profile | None) -> None:
        self.profile = profile
        self.due = inf if profile is None else -inf
        self._counts: Counts | None = None
        self._last = -inf
        self._lock = threading.Lock()

    def take(self, rows: Rows, count: int, now: float) -> None:
        """Count as many of `count` rows as are due `now`, in seconds, evenly chosen. The rows have been predicted."""
        with self._lock:
            if self.profile is None or count == 0 or now < self.due:
                return
            most = int(min((now - self.due) * ROWS_PER_SECOND + 1, BURST))
            step = -(-count // most)
            taken = -(-count // step)
            counts = self.profile.count(some(rows, slice(None, None, step)))
            if self._counts is not None:
                counts += self._counts * exp(-taken / MEMORY)
            self._counts, self._last = counts, now
            self.due = max(self.due, now - BURST / ROWS_PER_SECOND) + taken / ROWS_PER_SECOND

    def seen(self) -> Seen | None:
        """What was counted so far; None if nothing was."""
        with self._lock:
            return None if self._counts is None else Seen(self._counts, self._last)
