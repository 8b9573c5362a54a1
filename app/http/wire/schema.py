"""What a model's schema asks of decoded rows, beyond their types: names in order, and no infinity."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from app.http.wire.problems import Problems
from app.http.wire.request import Request
from core.arrays import Array
from core.encoding import Codes, Encoding, RawColumns, VectorColumn


def is_vector(encoding: Encoding) -> bool:
    """Whether the model's only column is a vector, so that a row is a bare list of its elements."""
    return len(encoding.columns) == 1 and isinstance(encoding.columns[0], VectorColumn)


def names(encoding: Encoding) -> tuple[str, ...]:
    """The columns' names, in the schema's order."""
    return tuple(column.name for column in encoding.columns)


def of_matrix(encoding: Encoding, matrix: Array, problems: Problems) -> Request:
    """A request about (m, inputs) of any real dtype, NaN = missing, in which infinities are not yet looked for."""
    return Request(matrix, check=partial(check_finite, encoding, matrix, problems))


def check_finite(encoding: Encoding, matrix: Array, problems: Problems) -> None:
    """`Invalid` where a matrix (m, inputs) is infinite."""
    if matrix.dtype.kind != "f" or np.isfinite(np.vdot(matrix, matrix)):  # the sum of squares, in no time
        return
    for row, place in _infinities(matrix):
        element = f" as element {place}" if is_vector(encoding) else ""
        column = encoding.columns[0 if is_vector(encoding) else place]
        problems.add(row, _message(matrix[row, place], element), column.name)
    problems.settle()


def finite_columns(columns: RawColumns, problems: Problems) -> RawColumns:
    """Raw columns as they came; `Invalid` where a number is infinite."""
    for name, raw in columns.items():
        if not isinstance(raw, Codes):
            for row, place in _infinities(raw.reshape(len(raw), -1) if len(raw) else raw):
                element = f" as element {place}" if raw.ndim == 2 else ""
                problems.add(row, _message(raw[row] if raw.ndim == 1 else raw[row, place], element), name)
    problems.settle()
    return columns


def _infinities(numbers: Array) -> Iterator[tuple[int, int]]:
    """The row and element of each infinity in (m, d) numbers, row by row."""
    if numbers.dtype.kind != "f" or not (infinite := np.isinf(numbers)).any():
        return
    for row in np.flatnonzero(infinite.any(axis=1)).tolist():
        for place in np.flatnonzero(infinite[row]).tolist():
            yield row, place


def _message(value: float, element: str) -> str:
    return f"expected a finite number{element}, got {value:g}"
