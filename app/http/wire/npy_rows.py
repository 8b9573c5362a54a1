"""`.npy` rows: one array (rows × features) of any real dtype, its header read by hand (versions 1 to 3)."""

import ast
import math
import re
from typing import Any, NamedTuple

import numpy as np

from app.errors import Unreadable
from app.http.wire.problems import Problems, check_rows, described, shown, wrong
from app.http.wire.request import Request
from app.http.wire.schema import is_vector, of_matrix
from core.arrays import Array
from core.encoding import Encoding

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 4096
USUAL = re.compile(
    rb"\{'descr': '([<>|=][a-zA-Z]\d+)', 'fortran_order': (True|False), "
    rb"'shape': \((\d{1,18}), (\d{1,18})\), \} *\n"
)
REAL = re.compile(r"[<>|=]?(?:f[248]|[iu][1248]|b1)")


class Header(NamedTuple):
    """What an array's header says, and where its numbers begin."""

    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    begin: int


def read(body: bytes, encoding: Encoding, *, max_rows: int) -> Request:
    """The rows of an array; of a vector, an image may stand as it is. NaN is a missing value.

    Raises `Unreadable` (not an array, cut short, or too long), `Invalid` (not an array of this model's shape,
    not of real numbers, not finite, or the model has columns that are not numbers) or `TooLarge`.
    """
    if encoding.inputs is None:
        raise wrong("an array of numbers cannot hold this model's mixed columns; send JSON, CSV or Arrow")
    matrix = _matrix(body, _header(body), encoding.inputs, max_rows, vector=is_vector(encoding))
    return of_matrix(encoding, matrix, Problems("row {}"))


def _matrix(body: bytes, header: Header, inputs: int, max_rows: int, *, vector: bool) -> Array:
    dtype, fortran, shape, begin = header
    images = vector and len(shape) > 2 and math.prod(shape[1:]) == inputs
    if not images and (len(shape) != 2 or shape[1] != inputs):
        raise wrong(f"expected an array of shape (rows, {inputs}), got {_shape(shape)}")
    check_rows(shape[0], max_rows)
    wanted = math.prod(shape) * dtype.itemsize
    if len(body) - begin != wanted:
        raise _unreadable(
            f"its shape {_shape(shape)} needs {wanted} bytes of data, and {len(body) - begin} are there"
        )
    flat = np.frombuffer(body, dtype, offset=begin)
    flat = flat.view(np.uint8) != 0 if dtype.kind == "b" else flat
    return flat.reshape(shape, order="F" if fortran else "C").reshape(shape[0], inputs)


def _header(body: bytes) -> Header:
    if body[:6] != MAGIC or len(body) < 12:
        raise _unreadable("it does not begin as a .npy file does")
    if body[6] not in (1, 2, 3) or body[7] != 0:
        raise _unreadable(f"its format version {body[6]}.{body[7]} is not 1.0, 2.0 or 3.0")
    start = 10 if body[6] == 1 else 12
    begin = start + int.from_bytes(body[8:start], "little")
    if begin - start > LONGEST_HEADER or begin > len(body):
        raise _unreadable("its header is cut short or too long")
    usual = USUAL.fullmatch(body, start, begin)
    if usual is None:
        return _unusual(body[start:begin], begin)
    descr, fortran, rows, columns = usual.groups()
    return Header(_dtype(descr.decode()), fortran == b"True", (int(rows), int(columns)), begin)


def _unusual(text: bytes, begin: int) -> Header:
    """A header that NumPy would not write for a matrix, but might well read: other spacing, order or rank."""
    try:
        fields = ast.literal_eval(text.decode("utf-8").strip())
        descr, fortran, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        raise _unreadable("its header is not one of descr, fortran_order and shape") from None
    sizes = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 1 << 63 for n in shape)
    if len(fields) != 3 or not isinstance(fortran, bool) or not sizes:
        raise _unreadable("its header is not one of descr, fortran_order and shape")
    return Header(_dtype(descr), fortran, shape, begin)


def _dtype(descr: object) -> np.dtype[Any]:
    if not isinstance(descr, str) or not REAL.fullmatch(descr):
        got = shown(descr) if isinstance(descr, str) else described(descr)
        raise wrong(f"expected an array of real numbers (float, integer or bool), got dtype {got}")
    return np.dtype(descr)


def _shape(shape: tuple[int, ...]) -> str:
    return str(shape) if len(shape) <= 8 else f"one of {len(shape)} dimensions"


def _unreadable(reason: str) -> Unreadable:
    return Unreadable(what="The .npy body", reason=reason)
