"""Tensors of BYTES: each element a little-endian uint32 length and then as many bytes; texts in UTF-8."""

from collections.abc import Iterable
from struct import Struct
from typing import cast

from app.http.oip.elements import elements
from app.http.oip.tensor import Tensor
from app.http.wire.problems import wrong

_LENGTH = Struct("<I")


def strings(tensor: Tensor) -> list[str | None]:
    """The elements as text, in row-major order; None where missing: null, or the empty text.

    Raises: Invalid, naming input and element.
    """
    if tensor.blob is None:
        return [cast(str, value) or None for value in elements(tensor)]
    found: list[str | None] = []
    try:
        for element in _unpacked(tensor, tensor.blob):
            found.append(str(element, "utf-8") or None)
    except UnicodeDecodeError as error:
        raise wrong(f"{tensor.place}: element {len(found)}: expected UTF-8, got {error.reason}") from None
    return found


def packed(texts: Iterable[bytes]) -> bytes:
    """The elements as binary data."""
    return b"".join([part for text in texts for part in (_LENGTH.pack(len(text)), text)])


def _unpacked(tensor: Tensor, blob: memoryview) -> Iterable[memoryview]:
    at, end = 0, len(blob)
    for number in range(tensor.size):
        if end - at < _LENGTH.size:
            raise wrong(
                f"{tensor.place}: element {number}: expected the 4 bytes of its length, got {end - at} bytes"
            )
        (length,) = _LENGTH.unpack_from(blob, at)
        at += _LENGTH.size
        if end - at < length:
            raise wrong(f"{tensor.place}: element {number}: expected {length} bytes, got {end - at}")
        yield blob[at : at + length]
        at += length
    if at != end:
        raise wrong(f"{tensor.place}: {end - at} bytes are left over after its {tensor.size} elements")
