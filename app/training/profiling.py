"""The profile that a version's card gets: the distribution of the rows of its dataset, or of a sample of them."""

import numpy as np

from app.training.material import Table
from core import profile
from core.profile import Profile

_MOST_ROWS, _LEAST_ROWS = 100_000, 100
_NUMBERS = 1 << 23  # of the sample, all its columns together


def profile_of(table: Table) -> Profile:
    """The same for the same rows. Where there are many, some are drawn, each as likely as any other."""
    rows, numbers = table.shape
    most = max(_LEAST_ROWS, min(_MOST_ROWS, _NUMBERS // max(numbers, 1)))
    if rows <= most:
        return profile.measure(table.take(np.arange(rows)))
    return profile.measure(table.take(np.sort(np.random.default_rng(0).integers(0, rows, most))))
