"""What an array must be where it enters `core`: checks that say what came and what was expected."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Float: TypeAlias = type[np.floating[Any]] | np.dtype[Any] | str


def matrix(x: npt.ArrayLike, columns: int | None = None, *, name: str = "x") -> Array:
    """`x` as a real 2-D array, with `columns` columns where that is said; ValueError otherwise."""
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    if array.ndim != 2 or columns not in (None, array.shape[1]):
        expected = "columns" if columns is None else columns
        raise ValueError(f"{name} must have shape (rows, {expected}), got {array.shape}")
    return array


def class_numbers(labels: npt.ArrayLike, rows: int, classes: int) -> npt.NDArray[np.intp]:
    """`labels` as (rows,) class numbers in [0, classes); ValueError otherwise."""
    array = np.asarray(labels)
    if array.size and array.dtype.kind not in "iu":  # an empty list has floats
        raise ValueError(f"labels must be integers, got dtype {array.dtype}")
    if array.shape != (rows,):
        raise ValueError(f"labels must have shape ({rows},), got {array.shape}")
    if rows and not 0 <= array.min() <= array.max() < classes:
        raise ValueError(f"labels must lie in [0, {classes}), got values from {array.min()} to {array.max()}")
    return array.astype(np.intp, copy=False)


def row_weights(weights: npt.ArrayLike | None, rows: int, dtype: Float) -> Array | None:
    """`weights` as (rows,) numbers of that dtype, finite there and not negative, or None; ValueError otherwise."""
    if weights is None:
        return None
    array = np.asarray(weights)
    if array.dtype.kind not in "fiub" or array.shape != (rows,):
        raise ValueError(f"weights must be ({rows},) real numbers, got {array.dtype} {array.shape}")
    with np.errstate(over="ignore", under="ignore"):
        array = array.astype(dtype, copy=False)
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError(f"weights must be finite in {array.dtype} and not negative")
    return array


def row_numbers(numbers: npt.ArrayLike, rows: int) -> npt.NDArray[np.intp]:
    """`numbers` as (n,) of [0, rows), n ≥ 1, each greater than the one before; ValueError otherwise."""
    array = np.asarray(numbers)
    if array.dtype.kind not in "iu" or array.ndim != 1 or not len(array):
        raise ValueError(f"rows must be (n,) integers, n ≥ 1, got {array.dtype} {array.shape}")
    if not 0 <= array[0] <= array[-1] < rows or (array[1:] <= array[:-1]).any():
        raise ValueError(f"rows must ascend and lie in [0, {rows}), each at most once")
    return array.astype(np.intp, copy=False)


def layer_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """`sizes` as (features, *hidden, classes), each at least 1; ValueError otherwise."""
    if len(sizes) < 2 or any(size < 1 for size in sizes):
        raise ValueError(f"sizes must be (features, *hidden, classes), each at least 1, got {tuple(sizes)!r}")
    return tuple(int(size) for size in sizes)
