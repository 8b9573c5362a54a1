"""Mean and spread of columns of numbers, with values missing, in bounded memory and without overflow."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from core.arrays import Array

CHUNK = 1 << 20  # numbers looked at at a time, in float64
SHARED = 0.1  # elements whose quartile of ranges reaches this part of the largest share one range


class Spread(NamedTuple):
    """mean, scale: () or (d,) float64, scale > 0."""

    mean: Array
    scale: Array


@np.errstate(under="ignore")
def measure(x: Array) -> tuple[Spread, bool]:
    """Spread of x (m,) or (m, d) over its rows, NaN left out; and whether there was a NaN.

    scale is the standard deviation, 1 where there is no spread. The elements of (m, d) that share one range
    (a quarter of those that vary have less than 0.1 of the largest) share one scale, the root of their mean
    variance. Raises ValueError for an infinity.
    """
    low, high, seen = _range(x)
    if np.isinf(low).any() or np.isinf(high).any():
        raise ValueError("numbers must be finite, got an infinity")
    unit = np.ldexp(1.0, np.frexp(np.maximum(-low, high))[1] - 1)  # a power of two: to divide by it is exact
    mean, scale = _moments(x, unit, np.maximum(seen, 1))
    mean = np.where(high > low, mean, low)
    reach = np.where(high > low, high / 2 - low / 2, 0.0)
    scale = np.where((reach > 0) & (scale > 0), scale, 1.0)
    varying = reach[reach > 0]
    if x.ndim == 2 and varying.size and np.quantile(varying, 0.25) >= SHARED * varying.max():
        largest = scale[reach > 0].max()
        scale = np.full_like(scale, largest * np.sqrt(np.mean((scale[reach > 0] / largest) ** 2)))
    shape = x.shape[1:]
    return Spread(mean.reshape(shape), scale.reshape(shape)), bool((seen < len(x)).any())


def _range(x: Array) -> tuple[Array, Array, Array]:
    """Lowest, highest (0 if all are missing) and number of the values of each element."""
    width = int(np.prod(x.shape[1:]))
    low, high, seen = np.full(width, np.inf), np.full(width, -np.inf), np.zeros(width, np.int64)
    for values in _pieces(x):
        np.fmin(low, np.fmin.reduce(values, axis=0), out=low)
        np.fmax(high, np.fmax.reduce(values, axis=0), out=high)
        seen += len(values) - np.isnan(values).sum(axis=0)
    return np.where(seen, low, 0.0), np.where(seen, high, 0.0), seen


def _moments(x: Array, unit: Array, seen: Array) -> tuple[Array, Array]:
    """Mean and standard deviation, taken of x/unit, which lies in (−2, 2)."""
    mean = sum(np.nansum(values / unit, axis=0) for values in _pieces(x)) / seen
    squares = sum(np.nansum((values / unit - mean) ** 2, axis=0) for values in _pieces(x))
    return mean * unit, np.sqrt(squares / seen) * unit


def _pieces(x: Array) -> Iterator[Array]:
    """The rows as (rows, d) float64, a chunk at a time."""
    rows = x.reshape(len(x), -1)
    step = max(1, CHUNK // max(1, rows.shape[1]))
    return (rows[start : start + step].astype(np.float64) for start in range(0, len(rows), step))
