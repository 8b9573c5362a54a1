"""The messages that an ONNX file is made of, in the encoding of Protocol Buffers.

Field numbers are those of onnx.proto and never change. A message is a list of pieces, so that weights go out as they
lie in memory; a nested one stands behind its length.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import TypeAlias

import numpy as np

from core.arrays import Array

Piece: TypeAlias = bytes | memoryview
Pieces: TypeAlias = list[Piece]
Value: TypeAlias = int | str | Sequence[int] | Sequence[str]

_NUMBER, _BYTES = 0, 2  # how a field's value is written
_INT, _STRING, _INTS, _STRINGS = 2, 3, 7, 8  # kinds of attributes
_WORD = 1 << 64


class Kind(IntEnum):
    """Types of a tensor's elements, by their numbers in onnx.proto."""

    FLOAT = 1
    INT64 = 7
    STRING = 8
    BOOL = 9
    DOUBLE = 11


_KINDS = {"f4": Kind.FLOAT, "f8": Kind.DOUBLE, "i8": Kind.INT64, "b1": Kind.BOOL}


def number(field: int, value: int) -> Pieces:
    """A whole number; negative ones as 64 bits."""
    return [_varint(field << 3 | _NUMBER) + _varint(value % _WORD)]


def data(field: int, value: str | Piece) -> Pieces:
    """Bytes, or a text in UTF-8."""
    content = value.encode() if isinstance(value, str) else value
    return [_varint(field << 3 | _BYTES) + _varint(len(content)), content]


def nested(field: int, *parts: Pieces) -> Pieces:
    """A message within another."""
    content = [piece for part in parts for piece in part]
    return [_varint(field << 3 | _BYTES) + _varint(size(content)), *content]


def size(pieces: Iterable[Piece]) -> int:
    """Bytes that the pieces have together."""
    return sum(map(len, pieces))


def tensor(name: str, values: Array | Sequence[str]) -> Pieces:
    """A constant of any shape, or a row of texts."""
    if not isinstance(values, np.ndarray):
        texts = [data(6, text) for text in values]
        return _joined(number(1, len(values)), number(2, Kind.STRING), *texts, data(8, name))
    kind = _KINDS[f"{values.dtype.kind}{values.itemsize}"]
    content = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
    shape = [number(1, length) for length in values.shape]
    return _joined(*shape, number(2, kind), data(8, name), data(9, content))


def node(
    operation: str,
    inputs: Sequence[str],
    output: str,
    *,
    domain: str = "",
    attributes: Mapping[str, Value] | None = None,
) -> Pieces:
    """One step of a graph, named as its output."""
    said = [nested(5, _attribute(name, value)) for name, value in (attributes or {}).items()]
    ends = [*(data(1, each) for each in inputs), data(2, output), data(3, output), data(4, operation)]
    return _joined(*ends, *said, data(7, domain))


def port(name: str, kind: Kind, shape: Sequence[int]) -> Pieces:
    """An input or output of a graph; −1 in the shape is the number of rows."""
    lengths = [nested(1, number(1, length) if length >= 0 else data(2, "rows")) for length in shape]
    return _joined(data(1, name), nested(2, nested(1, number(1, kind), nested(2, *lengths))))


def _attribute(name: str, value: Value) -> Pieces:
    if isinstance(value, int):
        return _joined(data(1, name), number(3, value), number(20, _INT))
    if isinstance(value, str):
        return _joined(data(1, name), data(4, value), number(20, _STRING))
    texts = isinstance(value[0], str)
    each = [data(9, item) if isinstance(item, str) else number(8, item) for item in value]
    return _joined(data(1, name), *each, number(20, _STRINGS if texts else _INTS))


def _joined(*parts: Pieces) -> Pieces:
    return [piece for part in parts for piece in part]


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last with the eighth bit set."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
