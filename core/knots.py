"""Knots of numeric columns: between two of them a network sees how far a number has gone, and so its logits can bend
there, without a hidden layer too."""

from dataclasses import replace

import numpy as np

from core.arrays import Array
from core.columns import LEAST_KNOTS, MOST_BINS, Column, Encoding, NumericColumn, RawColumns
from core.encoding import standardise
from core.warm_start import sources


def with_knots(encoding: Encoding, sample: RawColumns, bins: int) -> Encoding:
    """The encoding with up to `bins` bins in each numeric column, each of about as many of these rows.

    Fewer where a value is several quantiles at once, and none where then less than two are left. sample: rows that
    the encoding was fitted on, or some of them. Raises ValueError for bins out of [2, 64].
    """
    if not 2 <= bins <= MOST_BINS:
        raise ValueError(f"bins must be in [2, {MOST_BINS}], got {bins}")
    return Encoding(columns=tuple(_cut(column, sample, bins) for column in encoding.columns))


def with_knots_of(old: Encoding, encoding: Encoding) -> Encoding:
    """The encoding with the knots that `old` has in columns that both have (see `warm_start.renamed`), at the same
    values; with its own where that has none."""
    known = sources(old, encoding)
    return Encoding(columns=tuple(_kept(column, known.get(column.name)) for column in encoding.columns))


def _cut(column: Column, sample: RawColumns, bins: int) -> Column:
    if not isinstance(column, NumericColumn):
        return column
    raw = np.asarray(sample[column.name])
    numbers = standardise(raw[~np.isnan(raw)], column.mean, column.scale)
    return replace(column, knots=_quantiles(numbers, bins))


def _quantiles(numbers: Array, bins: int) -> tuple[float, ...]:
    if not len(numbers):
        return ()
    return _distinct(np.quantile(numbers, np.linspace(0, 1, bins + 1), method="inverted_cdf"))


def _kept(column: Column, source: Column | None) -> Column:
    if not isinstance(column, NumericColumn) or not isinstance(source, NumericColumn):
        return column
    return replace(column, knots=_distinct(source.moved(column, np.array(source.knots))) or column.knots)


def _distinct(knots: Array) -> tuple[float, ...]:
    found = np.unique(knots).tolist()
    return tuple(found) if len(found) >= LEAST_KNOTS else ()
