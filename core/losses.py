"""Softmax and its loss, never separated: the loss is log-sum-exp of the logits, its gradient is (ŷ − y)/m.

Inside, logits stand class-first, (c, …): a reduction over few classes then runs along whole rows of memory.
"""

import numpy as np
import numpy.typing as npt

from core.arrays import Array, Float, class_numbers, matrix, row_weights

MANY = 256  # classes, from which they are summed up in float64
_QUIET = {"under": "ignore", "over": "ignore", "invalid": "ignore"}
# e^z that underflows to 0 is right, and z − max that overflows to −∞ ends in that same 0


def softmax(logits: npt.ArrayLike) -> Array:
    """ŷ = e^Z / Σ_j e^(Z_j) along the last axis, from Z − max Z (mathematics.md rows 1 and 2).

    logits: (…, c), c ≥ 1, any real dtype. Returns (…, c) in the same float dtype (float64 for integers),
    right for every finite input. Raises ValueError where there is no class.
    """
    with np.errstate(**_QUIET):  # type: ignore[arg-type]
        z = _class_first(logits)
        softmax_in_place(z)
    return np.ascontiguousarray(z.T)


def softmax_in_place(z: Array) -> None:
    """`softmax` of floats (c, …) that stand class-first; nothing is checked, and exponents may overflow."""
    z -= np.maximum.reduce(z, axis=0)
    np.exp(z, out=z)
    z /= _total(z)


def log_softmax(logits: npt.ArrayLike) -> Array:
    """log ŷ = Z − max Z − log Σ_j e^(Z_j − max Z) along the last axis (mathematics.md row 3).

    logits: (…, c), c ≥ 1, any real dtype. Returns (…, c) in the same float dtype (float64 for integers). Raises
    ValueError where there is no class.
    """
    with np.errstate(**_QUIET):  # type: ignore[arg-type]
        z = _class_first(logits)
        z -= np.maximum.reduce(z, axis=0)
        z -= np.log(_total(np.exp(z)))
    return np.ascontiguousarray(z.T)


def softmax_loss(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Array:
    """L_i = −Z_i[y_i] + log Σ_j e^(Z_ij), by log-sum-exp: (m, c), (m,) → (m,) (mathematics.md row 3).

    In the logits' float dtype. Raises ValueError for other shapes or dtypes.
    """
    log_probabilities = log_softmax(matrix(logits, name="logits"))
    labels = class_numbers(labels, *log_probabilities.shape)
    return -log_probabilities[np.arange(len(labels)), labels]


def softmax_cross_entropy(
    logits: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> tuple[float, Array]:
    """J = (1/m) Σ_i w_i L_i and ∂J/∂Z = w (ŷ − y)/m (mathematics.md row 4 and the gradient below row 5).

    logits: (m, c) with m ≥ 1; labels: (m,) integers; weights: (m,), or None for ones.
    Returns (J, (m, c) in the logits' float dtype). Raises ValueError for other shapes or dtypes.
    """
    logits = _floating(matrix(logits, name="logits"))
    m, c = logits.shape
    if not m or not c:
        raise ValueError(f"logits must have at least one row and one class, got shape {logits.shape}")
    labels = class_numbers(labels, m, c)
    z = np.empty((c, m), logits.dtype)
    loss = cross_entropy_into(z, logits, labels, row_weights(weights, m, z.dtype), m)
    return loss, z.T


def cross_entropy_into(z: Array, logits: Array, labels: Array, weights: Array | None, rows: int) -> float:
    """Σ_i w_i L_i / rows over the m rows of `logits` (m, c); `z` (c, m) becomes their part of ∂J/∂Zᵀ.

    For loops that own their buffers: nothing is checked. rows: m, or more where a batch comes in pieces.
    """
    flat, m = z.reshape(-1), len(logits)
    own = labels * m  # where each row keeps the logit of its own label
    own += np.arange(m)
    scale = 1 / rows if weights is None else weights / rows
    with np.errstate(**_QUIET):  # type: ignore[arg-type]
        np.copyto(z, logits.T)
        z -= np.maximum.reduce(z, axis=0)
        losses = -flat.take(own)
        np.exp(z, out=z)
        total = _total(z)
        losses += np.log(total)
        losses *= scale
        z *= np.divide(scale, total, out=total)
        flat[own] -= scale
        return float(np.add.reduce(losses, dtype=np.float64))


def softmax_jacobian(probabilities: npt.ArrayLike) -> Array:
    """∂ŷ_i/∂Z_j = ŷ_i (δ_ij − ŷ_j) for each row: (…, c) → (…, c, c), in the same float dtype
    (mathematics.md row 5)."""
    y = _floating(np.asarray(probabilities))
    with np.errstate(**_QUIET):  # type: ignore[arg-type]
        jacobian = -(y[..., :, None] * y[..., None, :])
        diagonal = np.arange(y.shape[-1])
        jacobian[..., diagonal, diagonal] = y * (1 - y)
    return jacobian


def one_hot(labels: npt.ArrayLike, classes: int, *, dtype: Float = np.float64) -> Array:
    """Row i has 1 in column labels[i]: (m,) integers in [0, classes) → (m, classes) of that dtype.

    Raises ValueError for other labels.
    """
    labels = class_numbers(labels, np.size(labels), classes)
    encoded = np.zeros((len(labels), classes), dtype)
    encoded[np.arange(len(labels)), labels] = 1
    return encoded


def _total(z: Array) -> Array:
    """Σ over the classes, which stand first. One after the other, many of them would lose digits of float32."""
    if len(z) <= MANY or z.dtype.itemsize >= 8:
        return np.asarray(np.add.reduce(z, axis=0))
    return np.asarray(np.add.reduce(z, axis=0, dtype=np.float64)).astype(z.dtype)


def _floating(array: Array) -> Array:
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _class_first(logits: npt.ArrayLike) -> Array:
    """A contiguous copy of (…, c) with all axes reversed, which brings the classes to the front."""
    array = _floating(np.asarray(logits))
    if not array.ndim or not array.shape[-1]:
        raise ValueError(f"logits must have shape (…, classes) with at least one class, got {array.shape}")
    return np.array(array.T, order="C")
