"""The profile that a version's card gets: the distribution of the rows of its dataset, or of a sample of them."""

import numpy as np

from app.training.material import take
from core import profile
from core.arrays import Array
from core.encoding import Codes, RawColumn, RawColumns
from core.profile import Profile

_MOST_ROWS, _LEAST_ROWS = 100_000, 100
_NUMBERS = 1 << 23  # of the sample, all its columns together


def profile_of(columns: RawColumns) -> Profile:
    """The same for the same columns. Where there are many rows, some are drawn, each as likely as any other."""
    rows = len(_cells(next(iter(columns.values()))))
    width = sum(_cells(raw).size // max(rows, 1) for raw in columns.values())
    most = max(_LEAST_ROWS, min(_MOST_ROWS, _NUMBERS // max(width, 1)))
    if rows <= most:
        return profile.measure(columns)
    drawn = np.random.default_rng(0).integers(0, rows, most)
    return profile.measure(take(columns, np.sort(drawn)))


def _cells(raw: RawColumn) -> Array:
    return raw.codes if isinstance(raw, Codes) else raw
