"""What looking for drift costs predictions: `python bench/drift.py`.

Of most predictions it is a comparison: the time to count one in a tally whose sampler wants no row now, less that of
a tally without such a line, in pairs, the median. At most 20 times a second a row is looked at: what that takes, by
the number of columns, and which part of a processor that is.
"""

import statistics
import sys
import timeit
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app.http.meters import Tally  # noqa: E402 - the folder above is no package
from app.serving.sampler import ROWS_PER_SECOND, Sampler  # noqa: E402
from core import profile as profiles  # noqa: E402

CALLS = 20_000


class Unwatched(Tally):
    """Counts as a tally does, but for the line that asks the sampler."""

    __slots__ = ()

    def add(self, rows, count, began, decoded, computed, encoded):  # noqa: ARG002 - those of a tally
        self.requests += 1
        self.rows += count
        self.decode.add(decoded - began)
        self.compute.add(computed - decoded)
        self.encode.add(encoded - computed)


def main() -> None:
    """Print the figures."""
    row = np.array([[5.1, 3.5, 1.4, 0.2]])
    times = (0.0, 1e-5, 2e-5, 3e-5)
    bare, watched = Unwatched(Sampler(None)), Tally(Sampler(None))
    differences = [
        (_seconds(lambda: watched.add(row, 1, *times)) - _seconds(lambda: bare.add(row, 1, *times))) / CALLS
        for _ in range(50)
    ]
    print(f"a prediction of which no row is wanted: {1e9 * statistics.median(differences):+.0f} ns")
    for columns in (4, 30, 784):
        x = np.random.default_rng(0).normal(size=(3000, columns))
        sampler = Sampler(profiles.measure({str(name): column for name, column in enumerate(x.T)}))
        looks = [_look(sampler, x[:1], float(number)) for number in range(2000)]
        cost = statistics.median(looks)
        share = 100 * cost * ROWS_PER_SECOND
        print(
            f"a look at a row of {columns} columns: {1e6 * cost:.0f} µs; {share:.2f} % of a processor at most"
        )


def _seconds(call) -> float:
    return timeit.timeit(call, number=CALLS)


def _look(sampler: Sampler, row: np.ndarray, now: float) -> float:
    return timeit.timeit(lambda: sampler.take(row, 1, now), number=1)


if __name__ == "__main__":
    main()
