"""How much each feature of a row moved the logit of a class, away from a baseline row."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.arrays import Array, class_numbers, matrix
from core.network import Dense, Params, sizes

PIECES = 16  # of the path, for two hidden layers and more
CHUNK = 1 << 19  # numbers that one layer of a piece of the work may have, in float64


class Explanation(NamedTuple):
    """For each row contributions (m, n) of its features, which sum to `logits` less `baseline`, (m,). All float64."""

    contributions: Array
    logits: Array
    baseline: Array


def explain(params: Params, x: npt.ArrayLike, baseline: npt.ArrayLike, classes: npt.ArrayLike) -> Explanation:
    """Integrated gradients (Sundararajan et al. 2017) of the logit of each row's class: x (m, n).

    baseline: (n,), where the path begins; classes: (m,), the class asked about for each row. Each row's contributions
    sum to the rise of its logit, to rounding. With no hidden layer they are (x − baseline) ∘ W, and with one they are
    exact as well; for more the path is cut into 16 pieces, in each of which a ReLU has the average slope
    Δrelu(z)/Δz (the rescale rule of Shrikumar et al. 2017). Memory is bounded for any m.
    Raises ValueError for other shapes or dtypes.
    """
    features, *widths, number = sizes(params)
    x = matrix(x, features)
    if np.shape(baseline) != (features,):
        raise ValueError(f"baseline must have shape ({features},), got {np.shape(baseline)}")
    start = matrix(np.asarray(baseline)[None], name="baseline").astype(np.float64)
    asked = class_numbers(classes, len(x), number)
    pieces = PIECES if len(widths) > 1 else 1
    step = max(1, CHUNK // ((pieces + 1) * max(features, number, *widths)))
    exact = [Dense(layer.weight.astype(np.float64), layer.bias.astype(np.float64)) for layer in params]
    parts = [slice(first, first + step) for first in range(0, len(x), step)]
    explained = [_explain(exact, x[part], start, asked[part], pieces) for part in parts]
    if not explained:
        return Explanation(np.empty((0, features)), np.empty(0), np.empty(0))
    return Explanation(*map(np.concatenate, zip(*explained, strict=True)))


@np.errstate(under="ignore")
def _explain(params: Sequence[Dense], x: Array, start: Array, asked: Array, pieces: int) -> Explanation:
    difference = x - start
    slopes, logits = _along(params, start, difference, pieces)
    gradient = params[-1].weight.T[asked]
    for layer, slope in zip(params[-2:0:-1], slopes[:0:-1], strict=True):
        gradient = (gradient * slope) @ layer.weight.T
    if slopes:
        gradient = (gradient * slopes[0]).mean(axis=0) @ params[0].weight.T
    of_rows = np.arange(len(x))
    return Explanation(difference * gradient, logits[-1][of_rows, asked], logits[0][of_rows, asked])


def _along(
    params: Sequence[Dense], start: Array, difference: Array, pieces: int
) -> tuple[list[Array], Array]:
    """Down the network at every cut of the path from start to start + difference.

    Returns: for each hidden layer Δrelu(z)/Δz by piece, (pieces, m, h); the logits at the cuts, (pieces + 1, m, c).
    """
    first, *rest = params
    cuts = np.linspace(0, 1, pieces + 1)[:, None, None]
    z = start @ first.weight + first.bias + cuts * (difference @ first.weight)
    slopes: list[Array] = []
    for layer in rest:
        activation = np.maximum(z, 0)
        rise, run = np.diff(activation, axis=0), np.diff(z, axis=0)
        flat = np.abs(run) <= np.finfo(np.float64).tiny
        slopes.append(np.where(flat, z[1:] > 0, rise / np.where(flat, 1, run)))
        z = activation @ layer.weight + layer.bias
    return slopes, z
