"""From raw columns to the matrix that the network sees, fitted on training rows only."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Array, matrix
from core.columns import (
    CategoricalColumn,
    Codes,
    Column,
    Encoding,
    NumericColumn,
    RawColumn,
    RawColumns,
    VectorColumn,
    from_dict,
    passed,
    to_dict,
)
from core.survey import length, survey

__all__ = [
    "CategoricalColumn",
    "Codes",
    "Column",
    "Encoding",
    "NumericColumn",
    "RawColumn",
    "RawColumns",
    "VectorColumn",
    "fit",
    "fit_parts",
    "from_dict",
    "standardise",
    "to_dict",
    "transform",
    "transform_matrix",
]

CHUNK = 1 << 15  # numbers standardised at a time, in float64: so few that they stay in the cache
FAR = 1e15  # standard deviations; what lies beyond is set to it, so that float32 stays finite in the layers


def fit(columns: RawColumns, *, booleans: Collection[str] = (), max_categories: int = 1000) -> Encoding:
    """The encoding of these training rows. booleans: names of categorical columns that stand for booleans.

    Numeric columns get mean 0 and spread 1, and an indicator only if a value is missing here. Categorical
    columns keep their `max_categories` most frequent categories, sorted. Vector columns whose elements share
    one range get one scale for all elements. Without spread, scale is 1.
    Raises ValueError for no columns or rows, unequal lengths, infinities and other dtypes.
    """
    return fit_parts([columns], booleans=booleans, max_categories=max_categories)


def fit_parts(
    parts: Iterable[RawColumns], *, booleans: Collection[str] = (), max_categories: int = 1000
) -> Encoding:
    """As `fit`, of rows that come in parts, of the same columns each, and are gone through twice.

    Raises ValueError for an iterator too, which can be gone through once.
    """
    return Encoding(columns=survey(parts).columns(booleans, max_categories))


def transform(encoding: Encoding, columns: RawColumns) -> Array:
    """The (m, width) float32 matrix of these columns, standardised in float64, then cast.

    Columns are found by name; others are ignored. Raises ValueError if one is missing, is of another kind
    or size, or if lengths differ.
    """
    chosen = {column.name: _expect(column, columns) for column in encoding.columns}
    encoded = np.zeros((length(chosen), encoding.width), np.float32)
    tables = {c.name: _table(c, chosen[c.name]) for c in encoding.columns if isinstance(c, CategoricalColumn)}
    numbers = [np.asarray(chosen[column.name]) for column, _ in encoding.numbers]
    for part in _pieces(*encoded.shape):
        if numbers:
            _encode(encoding, np.column_stack([raw[part] for raw in numbers]), encoded[part])
        for column, where in zip(encoding.columns, encoding.slices, strict=True):
            raw, out = chosen[column.name], encoded[part, where]
            if isinstance(raw, Codes):
                out[np.arange(len(out)), tables[column.name][raw.codes[part]]] = 1
            elif isinstance(column, VectorColumn):
                out[:] = _single(standardise(raw[part], column.mean, column.scale))
    return encoded


def transform_matrix(encoding: Encoding, x: npt.ArrayLike) -> Array:
    """The (m, width) float32 matrix of (m, inputs) real numbers, NaN for missing: a quicker `transform`.

    Raises ValueError if the encoding takes no plain matrix, or one of another shape or dtype.
    """
    if encoding.inputs is None:
        raise ValueError("this model has categorical or mixed columns: send them by name, not as one matrix")
    x = matrix(x, encoding.inputs)
    if encoding.width == encoding.inputs and x.size <= CHUNK:
        return _single(standardise(x, *encoding.spread))
    encoded = np.empty((len(x), encoding.width), np.float32)
    for part in _pieces(*encoded.shape):
        _encode(encoding, x[part], encoded[part])
    return encoded


def _encode(encoding: Encoding, numbers: Array, encoded: Array) -> None:
    """Write what (m, k) numbers of the numeric columns, or of an only vector, become into (m, width)."""
    values, bins = standardise(numbers, *encoding.spread), encoding.bins
    if encoding.width == numbers.shape[1]:  # there is nothing else
        encoded[:] = _single(values)
        return
    encoded[:, encoding.places] = _single(values)
    if len(encoding.indicated):
        encoded[:, encoding.places[encoding.indicated] + 1] = np.isnan(numbers[:, encoding.indicated])
    if len(bins.places):
        encoded[:, bins.places] = _single(passed(values[:, bins.of], bins.low, bins.high))


def _table(column: CategoricalColumn, raw: RawColumn) -> Array:
    """Code → place among the features; −1 (missing), unseen and rare go to the last place."""
    places = {category: place for place, category in enumerate(column.categories)}
    words = raw.vocabulary if isinstance(raw, Codes) else ()
    return np.array([*(places.get(word, len(places)) for word in words), len(places)])


def standardise(values: Array, mean: Any, scale: Any) -> Array:
    """(values − mean)/scale in float64, in [−FAR, FAR], 0 where missing.

    A NaN may be a signalling one, which processors call invalid in any operation.
    """
    try:
        with np.errstate(over="raise", under="ignore", invalid="ignore"):
            out: Array = np.subtract(values, mean, dtype=np.float64)
    except FloatingPointError:  # a difference beyond the largest number: halves have none
        with np.errstate(under="ignore", invalid="ignore"):
            out, scale = values * 0.5 - np.multiply(mean, 0.5), np.multiply(scale, 0.5)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        out /= scale
        np.maximum(out, -FAR, out=out)
        np.minimum(out, FAR, out=out)
        if values.dtype.kind == "f":
            out[np.isnan(out)] = 0
        return out


def _single(values: Array) -> Array:
    with np.errstate(under="ignore"):
        return values.astype(np.float32)


def _pieces(rows: int, width: int) -> Iterator[slice]:
    step = max(1, CHUNK // max(1, width))
    return (slice(start, start + step) for start in range(0, rows, step))


def _expect(column: Column, columns: RawColumns) -> RawColumn:
    """The raw column of that name, if it is what the encoding was fitted on."""
    if column.name not in columns:
        raise ValueError(f"column {column.name!r} is missing; columns given: {', '.join(map(repr, columns))}")
    raw = columns[column.name]
    if isinstance(column, CategoricalColumn) or isinstance(raw, Codes):
        right = isinstance(column, CategoricalColumn) and isinstance(raw, Codes)
    else:
        shape = (column.width,) if isinstance(column, VectorColumn) else ()
        right = raw.dtype.kind in "fiub" and raw.shape[1:] == shape
    if not right:
        got = "categories" if isinstance(raw, Codes) else f"{raw.dtype} {raw.shape}"
        raise ValueError(f"column {column.name!r} must be {_kind(column)}, got {got}")
    return raw


def _kind(column: Column) -> str:
    if isinstance(column, VectorColumn):
        return f"vectors of {column.width} numbers"
    return "numbers" if isinstance(column, NumericColumn) else "categories"
