"""Tensors of numbers: binary without a copy, JSON by the quick parser, and element by element where that declines."""

from typing import Any

import numpy as np

from app.http.oip.elements import elements
from app.http.oip.tensor import Tensor, shape_text
from app.http.wire.json_document import JSONArray, flat
from app.http.wire.json_document import numbers as all_numbers
from app.http.wire.problems import wrong
from core.arrays import Array


def numbers(tensor: Tensor, *, regular: bool = False) -> Array:
    """The tensor as an array of its shape, in a dtype that holds its elements exactly; NaN is missing.

    JSON numbers are float64 whichever float type they are called. `regular` as in `Ask`: only then is JSON read
    the quick way. Raises: Invalid, naming input and place.
    """
    found = _from_json(tensor, regular) if tensor.blob is None else _from_blob(tensor, tensor.blob)
    return found.reshape(tensor.shape)


def _from_blob(tensor: Tensor, blob: memoryview) -> Array:
    stored, name = tensor.datatype.stored, tensor.datatype.name
    assert stored is not None, "BYTES are no numbers"
    wanted = tensor.size * stored.itemsize
    if len(blob) != wanted:
        raise wrong(
            f"{tensor.place}: {name} of shape {shape_text(tensor.shape)} takes {wanted} bytes, got {len(blob)}"
        )
    found: Array = np.frombuffer(blob, stored) if wanted else np.empty(0, stored)
    if name == "BF16":  # the upper half of a float32
        return (found.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return _truths(tensor, found) if name == "BOOL" else found


def _truths(tensor: Tensor, found: Array) -> Array:
    if found.size and found.max() > 1:
        at = int((found > 1).argmax())
        raise wrong(f"{tensor.place}: element {at}: expected the byte 0 or 1 (BOOL), got {found[at]}")
    return found.view(np.bool_)


def _from_json(tensor: Tensor, regular: bool) -> Array:
    if not tensor.datatype.plain:
        raise wrong(f"{tensor.place}: {tensor.datatype.name} does not travel as JSON; send it as binary data")
    found = _quickly(tensor) if regular else None
    return _carefully(tensor) if found is None else found


def _quickly(tensor: Tensor) -> Array | None:
    """The elements if they are nothing but numbers in their places; None where a closer look is needed."""
    data, kind = tensor.data, tensor.datatype.kind
    if kind is None or not isinstance(data, JSONArray):
        return None
    if not tensor.nested:
        found = all_numbers(data, kind)
    else:
        found = flat(data, tensor.shape[1], kind) if len(tensor.shape) == 2 else None
    if found is None or found.size != tensor.size:
        return None
    return (
        found
        if kind == "d" or _within(tensor.datatype.stored, found.min(initial=0), found.max(initial=0))
        else None
    )


def _carefully(tensor: Tensor) -> Array:
    values: list[Any] = elements(tensor)
    dtype: Any = np.dtype(np.float64)
    if tensor.datatype.whole:
        _check_range(tensor, values)
        dtype = dtype if None in values else tensor.datatype.stored
    return np.array(values, dtype=dtype)


def _check_range(tensor: Tensor, values: list[Any]) -> None:
    for at, value in enumerate(values):
        if value is not None and not _within(tensor.datatype.stored, value, value):
            raise wrong(f"{tensor.place}: element {at}: {value:.6g} is beyond {tensor.datatype.name}")


def _within(stored: Any, low: int, high: int) -> bool:
    limits = np.iinfo(stored)
    return bool(limits.min <= low and high <= limits.max)
