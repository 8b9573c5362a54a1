"""Training and validation rows, with every class in both, once or in turns."""

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
    labels = class_numbers(labels, m, np.iinfo(np.int64).max)
    _, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    quotas = np.minimum(np.maximum(np.rint(fraction * counts), 1), counts - 1).astype(np.intp)
    shuffled = np.random.default_rng(seed).permutation(m)
    grouped = shuffled[np.argsort(labels[shuffled], kind="stable")]  # class by class, each shuffled
    place = np.arange(m) - np.repeat(np.cumsum(counts) - counts, counts)  # within its class
    chosen = place < np.repeat(quotas, counts)
    return np.sort(grouped[~chosen]), np.sort(grouped[chosen])


def folds(labels: npt.ArrayLike, count: int, seed: int) -> Array:
    """(m,) the fold in which each row is held out, from 0 to count − 1; −1 for one that never is.

    The rows of each class are dealt to the folds in turn, so that they differ by one row at most; the single
    row of a class is needed for training and never held out. Raises ValueError for fewer than 2 folds.
    """
    if count < 2:
        raise ValueError(f"there must be at least 2 folds, got {count}")
    m = np.size(labels)
    labels = class_numbers(labels, m, np.iinfo(np.int64).max)
    _, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(m)
    dealt = np.empty(m, np.intp)
    dealt[shuffled[np.argsort(labels[shuffled], kind="stable")]] = np.arange(m) % count
    dealt[counts[labels] == 1] = -1
    return dealt
