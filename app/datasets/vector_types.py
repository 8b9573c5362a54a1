"""Which number types vectors are stored in."""

from typing import Any

import numpy as np

_KEPT = ("uint8", "float32", "float64")


def vector_dtype(dtype: "np.dtype[Any]") -> str:
    """The dtype that vectors of such numbers are stored in; it holds every one of them, up to 53 bits."""
    if dtype.name in _KEPT:
        return dtype.name
    if dtype.kind == "b":
        return "uint8"
    return "float32" if dtype.itemsize <= 2 else "float64"
