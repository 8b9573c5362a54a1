"""Training and validation rows, with every class in both."""

import numpy as np
import numpy.typing as npt

from core.arrays import Array, class_numbers


def stratified_split(labels: npt.ArrayLike, fraction: float, seed: int) -> tuple[Array, Array]:
    """(train, validation) row numbers, each sorted; together all rows. labels: (m,) integers ≥ 0.

    Of each class's n rows, round(fraction · n) are for validation, but at least 1 and at most n − 1; a
    class of one row stays in training. Raises ValueError for a fraction outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction!r}")
    m = np.size(labels)
    return ranked_split(labels, fraction, np.random.default_rng(seed).permutation(m))


def ranked_split(labels: npt.ArrayLike, fraction: float, order: Array) -> tuple[Array, Array]:
    """As `stratified_split`, with the first rows of each class in this order of all (m,) rows for validation."""
    m = np.size(labels)
    labels = class_numbers(labels, m, np.iinfo(np.int64).max)
    _, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    quotas = np.minimum(np.maximum(np.rint(fraction * counts), 1), counts - 1).astype(np.intp)
    grouped = order[np.argsort(labels[order], kind="stable")]  # class by class, each in that order
    place = np.arange(m) - np.repeat(np.cumsum(counts) - counts, counts)  # within its class
    chosen = place < np.repeat(quotas, counts)
    return np.sort(grouped[~chosen]), np.sort(grouped[chosen])
