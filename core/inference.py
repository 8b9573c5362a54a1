"""Probabilities of a trained network, as quickly as NumPy gives them: what a server computes for every request."""

from math import isfinite, isnan
from typing import NamedTuple

import numpy as np

from core.arrays import Array
from core.columns import Encoding
from core.losses import softmax_in_place
from core.network import Dense, Params

NEAR = 8.0  # scales that a mean may lie from 0, for float32 to hold a value as well as its distance from the mean
FINEST = 1e-12  # the least scale, and the reciprocal of the largest
NARROWEST = 1e-9  # bin, in scales: how far a number is through it is a matter of rounding below
LARGEST = 1 << 20  # weights of the first layer, of which folding makes a copy


class Top(NamedTuple):
    """The likeliest classes of every row, likeliest first: their numbers and probabilities, both (m, k)."""

    places: Array
    probabilities: Array


_ZERO, _ONE = np.zeros((), np.float32), np.ones((), np.float32)
_quiet = np.errstate(over="ignore", under="ignore", invalid="ignore")  # as a decorator it costs half


class Folded(NamedTuple):
    """A network for raw rows: layers, the first of which takes d numbers and behind them how far each is through its
    bins, from 0 to 1: of `of` (b,) from `low` (b,) on, by `rise` (b,) for each unit."""

    layers: Params
    of: Array
    low: Array
    rise: Array


def fold(params: Params, encoding: Encoding) -> Folded | None:
    """The network for raw rows, (m, inputs), with the scaling of its inputs in its first layer:
    ((x − μ)/σ) W + b = x (W/σ) + (b − (μ/σ) W).

    None where that is not the same: inputs that are categories or have indicators, means too far from 0 for float32,
    bins too narrow to be found alike, or a first layer too large to keep twice.
    """
    first, *rest = params
    if encoding.inputs is None or len(encoding.indicated) or first.weight.size > LARGEST:
        return None
    (mean, scale), bins = encoding.spread, encoding.bins
    finest, coarsest = float(scale.min()), float(scale.max())
    if not FINEST < finest <= coarsest < 1 / FINEST or (np.abs(mean) > NEAR * scale).any():
        return None
    if (bins.high - bins.low < NARROWEST).any():
        return None
    weight = np.delete(first.weight, bins.places, axis=0) / scale[:, None]
    passed = first.weight[bins.places]
    bias = first.bias - mean @ weight - passed.sum(axis=0, dtype=np.float64) / 2
    folded = Dense(np.vstack([weight, passed]).astype(np.float32), bias.astype(np.float32))
    units, low = scale[bins.of], bins.low * scale[bins.of] + mean[bins.of]
    return Folded((folded, *rest), bins.of, low, 1 / ((bins.high - bins.low) * units))


@_quiet
def probabilities_of_raw(folded: Folded, x: Array, temperature: float = 1.0) -> Array | None:
    """As `probabilities`, for raw rows; None also for those that hold a missing or an infinite number, or one beyond
    float32, and for what is not (m, inputs) float32 or float64."""
    layers, of, low, rise = folded
    bins = len(of)
    if x.dtype.char not in "fd" or x.shape[1:] != (len(layers[0].weight) - bins,):
        return None
    if not bins:
        return _probabilities(layers, x.astype(np.float32, copy=False), temperature, raw=True)
    wide = np.empty((len(x), len(layers[0].weight)), np.float32)
    wide[:, :-bins] = x
    passed = x.take(of, axis=1) - low
    passed *= rise
    np.maximum(passed, _ZERO, out=passed)
    np.minimum(passed, _ONE, out=wide[:, -bins:], casting="same_kind")
    return _probabilities(layers, wide, temperature, raw=True)


@_quiet
def probabilities(params: Params, x: Array, temperature: float = 1.0) -> Array | None:
    """softmax(logits / temperature): x (m, features) → (m, classes) float32; None if any of it is not finite.

    x: as `encoding.transform` gives it; nothing is checked. A batch of one goes through as a vector, which NumPy
    adds and multiplies in a third of the time that it takes for a matrix of one row.
    """
    return _probabilities(params, x, temperature, raw=False)


def top(probabilities: Array, count: int) -> Top:
    """The `count` likeliest of c classes, or all: (m, c) → (m, min(count, c)); equal ones as the classes follow."""
    places = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return Top(places, np.take_along_axis(probabilities, places, axis=1))


def _probabilities(params: Params, x: Array, temperature: float, *, raw: bool) -> Array | None:
    """raw: rows may hold NaN or infinities. Such a row has no finite sum, however it is weighted (0 · ∞ is NaN), so
    one unit of the first layer tells: to look at all of x would push the weights out of the processor's cache."""
    alone = len(x) == 1
    a = x[0] if alone else x
    for number, (weight, bias) in enumerate(params):
        if number:
            np.maximum(a, _ZERO, out=a)  # relu, mathematics.md row 6
        a = a.dot(weight)
        a += bias
        if raw and not number and not (isfinite(a[0]) if alone else np.isfinite(a[:, 0]).all()):
            return None
    if temperature != 1.0:
        a /= temperature
    return _softmax_of_one(a) if alone else _softmax_of_many(a)


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
