"""How much each feature of a row moved the logit of a class, away from a baseline row."""

import numpy as np
import numpy.typing as npt

from core.arrays import Array, class_numbers, matrix
from core.network import Params

PIECES = 16  # of the path, for two hidden layers and more


def contributions(params: Params, x: npt.ArrayLike, baseline: npt.ArrayLike, classes: npt.ArrayLike) -> Array:
    """Integrated gradients (Sundararajan et al. 2017) of each row's class: (m, n) → (m, n) float64.

    baseline: (n,); classes: (m,), the class asked about for each row. Each row sums to
    logit(x) − logit(baseline) of its class, to rounding. With no hidden layer this is (x − baseline) ∘ W,
    and with one it is exact as well; for more the path is cut into 16 pieces, in each of which a ReLU has
    the average slope Δrelu(z)/Δz (the rescale rule of Shrikumar et al. 2017).
    Raises ValueError for other shapes or dtypes.
    """
    features = params[0].weight.shape[0]
    x = matrix(x, features).astype(np.float64)
    start = matrix(np.atleast_2d(baseline), features, name="baseline").astype(np.float64)
    asked = class_numbers(classes, len(x), len(params[-1].bias))
    slopes = _slopes(params, start, x, PIECES if len(params) > 2 else 1)
    gradient = params[-1].weight.T[asked].astype(np.float64)
    for layer, slope in zip(params[-2:0:-1], slopes[:0:-1], strict=True):
        gradient = (gradient * slope) @ layer.weight.T
    if slopes:
        gradient = (gradient * slopes[0]).mean(axis=0) @ params[0].weight.T
    return (x - start) * gradient


def _slopes(params: Params, start: Array, end: Array, pieces: int) -> list[Array]:
    """For each hidden layer, Δrelu(z)/Δz in each piece of the path: (pieces, m, h)."""
    slopes: list[Array] = []
    steps = np.linspace(0, 1, pieces + 1)[:, None, None]
    first = params[0].weight.astype(np.float64)
    z = start @ first + params[0].bias + steps * ((end - start) @ first)
    for layer in params[1:]:
        activation = np.maximum(z, 0)
        rise, run = np.diff(activation, axis=0), np.diff(z, axis=0)
        flat = np.abs(run) <= np.finfo(np.float64).tiny
        slopes.append(np.where(flat, z[1:] > 0, rise / np.where(flat, 1, run)))
        z = activation @ layer.weight + layer.bias
    return slopes
