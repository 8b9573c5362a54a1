"""What looking for drift costs predictions: `python bench/drift.py`.

Of most predictions it is a comparison: the time of the line that asks a sampler which wants no row now, less that of
none, in pairs, the median. At most 20 times a second a row is looked at: what that takes, by the number of columns,
and which part of a processor that is.
"""

import statistics
import sys
import timeit
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app.serving.sampler import ROWS_PER_SECOND, Sampler  # noqa: E402 - the folder above is no package
from core import profile as profiles  # noqa: E402

CALLS = 20_000


class Asking:
    """Asks a sampler whether a row is due, as a tally does at every prediction."""

    __slots__ = ("_sampler",)

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def add(self, row: np.ndarray, encoded: float) -> None:
        if encoded >= self._sampler.due:
            self._sampler.take(row, 1, encoded)

    def pass_by(self, row: np.ndarray, encoded: float) -> None:
        pass


def main() -> None:
    """Print the figures."""
    row = np.array([[5.1, 3.5, 1.4, 0.2]])
    asking = Asking(Sampler(None))
    differences = [
        (_seconds(lambda: asking.add(row, 3.0)) - _seconds(lambda: asking.pass_by(row, 3.0))) / CALLS
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
