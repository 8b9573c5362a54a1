"""Logits judged with caution, and the temperature and the class shift that make them mean what they say."""

from collections.abc import Generator

import numpy as np
import numpy.typing as npt

from core.arrays import Array, class_numbers, matrix
from core.losses import log_softmax, softmax
from core.stops import finish

LOWEST, HIGHEST = 0.05, 20.0
# Labels taken to be wrong: where one of many epochs or penalties is chosen (Laplace's rule of succession), and where
# one temperature is, which is less to be deceived in (the median chance of what m rows have not shown, Tukey 1962).
CHOOSING, TEMPERING = 1.0, 1 / 3
# Rows added to those seen, one right and one wrong (Laplace): a single one is not believed to be wrong.
UNSEEN = 2


def cautious_loss(logits: npt.ArrayLike, labels: npt.ArrayLike, *, wrong: float = CHOOSING) -> float:
    """The mean loss of held-out rows, as if of all labels so many were wrong.

    L_i = −(1 − ε) log ŷ[y] − ε · mean of log ŷ[j] over the other classes, ε = wrong/(m + 2): to have seen m rows and
    no mistake does not say that there will be none. Without it, few and easy rows favour whatever is surest of
    itself; on many rows it is the log loss.
    logits: (m, c), m ≥ 1; labels: (m,) integers; computed in float64. Raises ValueError for other shapes or dtypes.
    """
    logs = log_softmax(matrix(logits, name="logits").astype(np.float64))
    m, c = logs.shape
    own = logs[np.arange(m), class_numbers(labels, m, c)]
    others = (logs.sum(axis=1) - own) / max(c - 1, 1)
    doubt = wrong / (m + UNSEEN)
    return float(-np.mean((1 - doubt) * own + doubt * others))


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The T in [0.05, 20] that gives softmax(logits/T) the lowest cautious loss, TEMPERING labels wrong, on these
    held-out rows (Guo et al. 2017, but with `cautious_loss`).

    logits: (m, c), m ≥ 1; labels: (m,) integers. The loss is convex in 1/T, and its derivative there is the
    mean of Σ_j ŷ_j Z_j − (1 − ε) Z[y] − ε · mean of the other Z_j, ε = TEMPERING/(m + 2): its zero is found by
    bisection. Where all logits of every row are equal, T is 1.
    Raises ValueError for other shapes or dtypes.
    """
    return finish(fitting_temperature(logits, labels))


def fitting_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Generator[None, None, float]:
    """As `fit_temperature`, with a stop between two looks at all logits, of which there may be very many."""
    z = matrix(logits, name="logits").astype(np.float64)
    if not z.size:
        raise ValueError(f"logits must have at least one row and one class, got shape {z.shape}")
    labels = class_numbers(labels, *z.shape)
    z -= z.max(axis=1, keepdims=True)
    if not z.any():
        return 1.0
    own = z[np.arange(len(z)), labels]
    others = (z.sum(axis=1) - own) / max(z.shape[1] - 1, 1)
    own += TEMPERING / (len(z) + UNSEEN) * (others - own)
    low, high = 1 / HIGHEST, 1 / LOWEST
    if _slope(z, own, low) >= 0:
        return HIGHEST
    if _slope(z, own, high) <= 0:
        return LOWEST
    while high - low > 1e-10 * high:
        yield
        middle = (low + high) / 2
        low, high = (low, middle) if _slope(z, own, middle) > 0 else (middle, high)
    return 2 / (low + high)


def _slope(z: Array, own: Array, inverse: float) -> float:
    """dJ/d(1/T)."""
    return float(np.mean(np.einsum("ij,ij->i", softmax(z * inverse), z) - own))
