"""From decoded rows to what the network takes: encoded by the model's own encoding, infinities refused.

The encoding itself bounds what is finite but far out, so its float32 features are always finite.
"""

from collections.abc import Iterator

import numpy as np

from app.http.wire.problems import Problems
from core.arrays import Array
from core.encoding import FAR, Codes, Encoding, RawColumns, VectorColumn, transform, transform_matrix

_FAR = np.float32(FAR)


def is_vector(encoding: Encoding) -> bool:
    """Whether the model's only column is a vector, so that a row is a bare list of its elements."""
    return len(encoding.columns) == 1 and isinstance(encoding.columns[0], VectorColumn)


def names(encoding: Encoding) -> tuple[str, ...]:
    """The columns' names, in the schema's order."""
    return tuple(column.name for column in encoding.columns)


def from_matrix(encoding: Encoding, matrix: Array, problems: Problems) -> Array:
    """(m, width) float32 from (m, inputs) of any real dtype, NaN = missing; `Invalid` where infinite."""
    encoded = transform_matrix(encoding, matrix)
    if not _is_far(encoded):
        return encoded
    for row, place in _infinities(matrix):
        element = f" as element {place}" if is_vector(encoding) else ""
        column = encoding.columns[0 if is_vector(encoding) else place]
        problems.add(row, _message(matrix[row, place], element), column.name)
    problems.settle()
    return encoded


def from_columns(encoding: Encoding, columns: RawColumns, problems: Problems) -> Array:
    """(m, width) float32 from raw columns; `Invalid` where a number is infinite."""
    for name, raw in columns.items():
        if not isinstance(raw, Codes):
            for row, place in _infinities(raw.reshape(len(raw), -1) if len(raw) else raw):
                element = f" as element {place}" if raw.ndim == 2 else ""
                problems.add(row, _message(raw[row] if raw.ndim == 1 else raw[row, place], element), name)
    problems.settle()
    return transform(encoding, columns)


def _is_far(encoded: Array) -> bool:
    """Whether a number was so far out that the encoding bounded it: the only way for an infinity to come in."""
    return bool(encoded.max(initial=0) >= _FAR or encoded.min(initial=0) <= -_FAR)


def _infinities(numbers: Array) -> Iterator[tuple[int, int]]:
    """The row and element of each infinity in (m, d) numbers, row by row."""
    if numbers.dtype.kind != "f" or not (infinite := np.isinf(numbers)).any():
        return
    for row in np.flatnonzero(infinite.any(axis=1)).tolist():
        for place in np.flatnonzero(infinite[row]).tolist():
            yield row, place


def _message(value: float, element: str) -> str:
    return f"expected a finite number{element}, got {value:g}"
