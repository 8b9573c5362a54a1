"""One temperature, by which logits are divided so that probabilities mean what they say (Guo et al. 2017)."""

import numpy as np
import numpy.typing as npt

from core.arrays import Array, class_numbers, matrix
from core.losses import softmax

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The T in [0.05, 20] that gives softmax(logits/T) the lowest loss on these held-out rows.

    logits: (m, c), m ≥ 1; labels: (m,) integers. The loss is convex in 1/T, and its derivative there is the
    mean of Σ_j ŷ_j Z_j − Z[y]: its zero is found by bisection. Where no row is misjudged the loss falls
    without end as T → 0, which says nothing about confidence: T is then 1.
    Raises ValueError for other shapes or dtypes.
    """
    z = matrix(logits, name="logits").astype(np.float64)
    if not z.size:
        raise ValueError(f"logits must have at least one row and one class, got shape {z.shape}")
    labels = class_numbers(labels, *z.shape)
    z -= z.max(axis=1, keepdims=True)
    own = z[np.arange(len(z)), labels]
    if not own.any():
        return 1.0
    low, high = 1 / HIGHEST, 1 / LOWEST
    if _slope(z, own, low) >= 0:
        return HIGHEST
    if _slope(z, own, high) <= 0:
        return LOWEST
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _slope(z, own, middle) > 0 else (middle, high)
    return 2 / (low + high)


def _slope(z: Array, own: Array, inverse: float) -> float:
    """dJ/d(1/T)."""
    return float(np.mean(np.einsum("ij,ij->i", softmax(z * inverse), z) - own))
