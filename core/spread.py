"""Mean and spread of columns of numbers, with values missing, in bounded memory and without overflow."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import Array

CHUNK = 1 << 20  # numbers looked at at a time, in float64
SHARED = 0.1  # elements whose quartile of ranges reaches this part of the largest share one range


class Spread(NamedTuple):
    """mean, scale: () or (d,) float64, scale > 0."""

    mean: Array
    scale: Array


class Gauge:
    """Measures d numbers a row in two sweeps over the same rows, which may come in parts: `look`, then `weigh`.

    A part is a list of columns, (m,) or (m, w), which stand beside each other; NaN is left out.
    """

    def __init__(self, width: int) -> None:
        self._low, self._high = np.full(width, np.inf), np.full(width, -np.inf)
        self._seen, self._rows = np.zeros(width, np.int64), 0
        self._weighed, self._mean, self._squares = (np.zeros(width) for _ in range(3))

    def look(self, columns: Sequence[Array]) -> None:
        """First sweep: ranges, and what is missing."""
        for values in _pieces(columns):
            np.fmin(self._low, np.fmin.reduce(values, axis=0), out=self._low)
            np.fmax(self._high, np.fmax.reduce(values, axis=0), out=self._high)
            self._seen += len(values) - np.isnan(values).sum(axis=0)
            self._rows += len(values)

    @property
    def infinite(self) -> Array:
        """(d,) whether there was an infinity."""
        infinite: Array = (np.isinf(self._low) | np.isinf(self._high)) & (self._seen > 0)
        return infinite

    @property
    def missing(self) -> Array:
        """(d,) whether there was a NaN."""
        return self._seen < self._rows

    def weigh(self, columns: Sequence[Array]) -> None:
        """Second sweep: means and squares of what was looked at, as it lies about the middle of its range, divided by
        a power of two.

        Parts are joined as by Chan, Golub & LeVeque 1983: their means may lie far apart.
        """
        unit, middle = self._unit, self._middle
        with np.errstate(under="ignore", invalid="ignore"):  # a signalling NaN is invalid in any operation
            for piece in _pieces(columns):
                values = np.divide(piece, unit, out=piece)
                values -= middle
                count = len(values) - np.isnan(values).sum(axis=0)
                mean = np.nansum(values, axis=0) / np.maximum(count, 1)
                values -= mean
                squares = np.nansum(np.square(values, out=values), axis=0)
                total, apart = np.maximum(self._weighed + count, 1), mean - self._mean
                self._squares += squares + apart**2 * (self._weighed * (count / total))
                self._mean += apart * (count / total)
                self._weighed += count

    def spreads(self) -> Spread:
        """(d,) of each; scale is the standard deviation, 1 where there is no spread."""
        low, high = self._range
        with np.errstate(under="ignore"):
            mean = np.where(high > low, (self._mean + self._middle) * self._unit, low)
            scale = np.sqrt(self._squares / np.maximum(self._weighed, 1)) * self._unit
        return Spread(mean, np.where((self._reach > 0) & (scale > 0), scale, 1.0))

    def shared(self) -> Spread:
        """(d,) of each, for elements of one vector: if they share one range (a quarter of those that vary have less
        than 0.1 of the largest), they share one scale, the root of their mean variance."""
        (mean, scale), reach = self.spreads(), self._reach
        varying = reach[reach > 0]
        with np.errstate(under="ignore"):
            if varying.size and np.quantile(varying, 0.25) >= SHARED * varying.max():
                largest = scale[reach > 0].max()
                scale = np.full_like(scale, largest * np.sqrt(np.mean((scale[reach > 0] / largest) ** 2)))
        return Spread(mean, scale)

    @property
    def _range(self) -> tuple[Array, Array]:
        """Lowest and highest value of each, 0 if all are missing."""
        return np.where(self._seen, self._low, 0.0), np.where(self._seen, self._high, 0.0)

    @property
    def _reach(self) -> Array:
        low, high = self._range
        with np.errstate(under="ignore"):
            return np.where(high > low, high / 2 - low / 2, 0.0)

    @property
    def _unit(self) -> Array:
        """A power of two, to divide by which is exact and leaves numbers in (−2, 2)."""
        low, high = self._range
        return np.asarray(np.ldexp(1.0, np.frexp(np.maximum(-low, high))[1] - 1))

    @property
    def _middle(self) -> Array:
        """Of the range, in that unit: numbers that are close to each other lose nothing when it is taken off."""
        low, high = self._range
        with np.errstate(under="ignore"):
            return low / self._unit / 2 + high / self._unit / 2


def _pieces(columns: Sequence[Array]) -> Iterator[Array]:
    """The rows as new (rows, d) float64 arrays, a chunk at a time."""
    flat = [column.reshape(len(column), -1) for column in columns]
    edges = np.cumsum([0, *(column.shape[1] for column in flat)])
    step = max(1, CHUNK // max(1, int(edges[-1])))
    for start in range(0, len(flat[0]), step):
        values = np.empty((min(step, len(flat[0]) - start), edges[-1]))
        with np.errstate(invalid="ignore"):
            for column, left, right in zip(flat, edges[:-1], edges[1:], strict=True):
                values[:, left:right] = column[start : start + step]
        yield values
