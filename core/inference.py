"""Probabilities of a trained network, as quickly as NumPy gives them: what a server computes for every request."""

from math import isnan
from typing import NamedTuple

import numpy as np

from core.arrays import Array
from core.columns import Encoding
from core.losses import softmax_in_place
from core.network import Dense, Params

NEAR = 8.0  # scales that a mean may lie from 0, for float32 to hold a value as well as its distance from the mean
REACH = 1e12  # scales from 0 that a value may lie
FINEST = 1e-12  # the least scale, and the reciprocal of the largest
LARGEST = 1 << 20  # weights of the first layer, of which folding makes a copy

_ZERO = np.zeros((), np.float32)


class Folded(NamedTuple):
    """A network that takes raw rows, (m, inputs) float32, whose squares sum up to less than `reach`."""

    params: Params
    reach: float


def fold(params: Params, encoding: Encoding) -> Folded | None:
    """The network with the scaling of its inputs in its first layer: ((x − μ)/σ) W + b = x (W/σ) + (b − (μ/σ) W).

    None where that is not the same: inputs that are categories or have indicators, means too far from 0 for float32,
    or a first layer too large to keep twice.
    """
    first, *rest = params
    if encoding.inputs is None or encoding.width != encoding.inputs or first.weight.size > LARGEST:
        return None
    mean, scale = encoding.spread
    finest, coarsest = float(scale.min()), float(scale.max())
    if not FINEST < finest <= coarsest < 1 / FINEST or (np.abs(mean) > NEAR * scale).any():
        return None
    weight = first.weight / scale[:, None]
    folded = Dense(weight.astype(np.float32), (first.bias - mean @ weight).astype(np.float32))
    return Folded((folded, *rest), (REACH * finest) ** 2)


def probabilities_of_raw(folded: Folded, x: Array, temperature: float = 1.0) -> Array | None:
    """As `probabilities`, for raw rows; None also for those that hold a missing, an infinite or a far number.

    And for what is not (m, inputs) float32 or float64.
    """
    right = x.dtype.char in "fd" and x.shape[1:] == folded.params[0].weight.shape[:1]
    if not right or not np.vdot(x, x) < folded.reach:
        return None
    return probabilities(folded.params, x.astype(np.float32, copy=False), temperature)


@np.errstate(over="ignore", under="ignore", invalid="ignore")  # as a decorator it costs half
def probabilities(params: Params, x: Array, temperature: float = 1.0) -> Array | None:
    """softmax(logits / temperature): x (m, features) → (m, classes) float32; None if any of it is not finite.

    x: as `encoding.transform` gives it; nothing is checked. A batch of one goes through as a vector, which NumPy
    adds and multiplies in a third of the time that it takes for a matrix of one row.
    """
    alone = len(x) == 1
    a = x[0] if alone else x
    for weight, bias in params[:-1]:
        a = a.dot(weight)
        a += bias
        np.maximum(a, _ZERO, out=a)  # relu, mathematics.md row 6
    weight, bias = params[-1]
    z = a.dot(weight)
    z += bias
    if temperature != 1.0:
        z /= temperature
    return _softmax_of_one(z) if alone else _softmax_of_many(z)


def _softmax_of_one(z: Array) -> Array | None:
    """(c,) → (1, c), overwriting z: `losses.softmax` without its copies. The total of anything not finite is NaN."""
    z -= z[z.argmax()]
    np.exp(z, out=z)
    total = np.add.reduce(z)
    z /= total
    return None if isnan(total) else z[None].astype(np.float32, copy=False)


def _softmax_of_many(z: Array) -> Array | None:
    z = np.array(z.T, order="C")
    softmax_in_place(z)
    y = np.ascontiguousarray(z.T, np.float32)
    return y if np.vdot(y, y) >= 0 else None
