"""From the tensors of a request to the rows that it asks about."""

import math
from collections import Counter

import numpy as np

from app.errors import Invalid
from app.http.oip import signature
from app.http.oip.ask import Ask
from app.http.oip.datatypes import DATATYPES
from app.http.oip.numbers import numbers
from app.http.oip.signature import Port
from app.http.oip.strings import strings
from app.http.oip.tensor import Tensor, shape_text
from app.http.wire.cells import codes
from app.http.wire.problems import Problems, check_rows, described, listed, shown, wrong
from app.http.wire.request import Request
from app.http.wire.schema import check_finite, finite_columns
from core.arrays import Array
from core.encoding import (
    CategoricalColumn,
    Codes,
    Column,
    Encoding,
    NumericColumn,
    RawColumn,
)

_SINGLE = "FP32"
_UNCOUNTED = 1 << 63  # elements


def rows(encoding: Encoding, ask: Ask, *, max_rows: int) -> Request:
    """Checked against the model's schema. Raises: Invalid, naming the input and what it should be; TooLarge."""
    ports = signature.inputs(encoding)
    tensors = _matched(ports, ask.inputs)
    for port, tensor in zip(ports, tensors, strict=True):
        _check(port, tensor, max_rows)
    if encoding.inputs is not None:
        return _of_matrix(encoding, tensors[0], ask.regular)
    _check_lengths(tensors)
    pairs = zip(encoding.columns, tensors, strict=True)
    columns = {column.name: _column(column, tensor, ask.regular) for column, tensor in pairs}
    return Request(finite_columns(columns, Problems("row {}")))


def raw(encoding: Encoding, blob: memoryview) -> Ask:
    """The request that a raw tensor stands for: the model's only input, and binary data back.

    Numbers are rows of FP32, as many as there are; BYTES are the text of one row. Raises: Invalid.
    """
    ports = signature.inputs(encoding)
    if len(ports) != 1:
        names = listed(tuple(port.name for port in ports))
        raise wrong(f"a raw tensor is for models of one input, and this one has {len(ports)}: {names}")
    (port,) = ports
    if port.datatype == "BYTES":
        element = len(blob).to_bytes(4, "little") + bytes(blob)
        tensor = Tensor(name=port.name, datatype=DATATYPES["BYTES"], shape=(1,), blob=memoryview(element))
        return Ask(inputs=(tensor,), binary=True)
    row = 4 * port.shape[1]
    if not blob or len(blob) % row:
        raise wrong(f"input {shown(port.name)}: a raw tensor takes {row} bytes a row, got {len(blob)} bytes")
    shape = (len(blob) // row, port.shape[1])
    return Ask(
        inputs=(Tensor(name=port.name, datatype=DATATYPES[_SINGLE], shape=shape, blob=blob),), binary=True
    )


# what is there


def _matched(ports: tuple[Port, ...], tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """The tensors in the order of the model's inputs."""
    by_name = {tensor.name: tensor for tensor in tensors}
    if len(by_name) != len(tensors):
        name, times = Counter(tensor.name for tensor in tensors).most_common(1)[0]
        raise wrong(f"input {shown(name)} is there {times} times")
    names = tuple(port.name for port in ports)
    for name in names:
        if name not in by_name:
            raise wrong(f"input {shown(name)} is missing; the model takes {listed(names)}")
    if len(by_name) != len(names):
        known = set(names)
        unknown = next(name for name in by_name if name not in known)
        raise wrong(f"there is no input {shown(unknown)}; the model takes {listed(names)}")
    return [by_name[name] for name in names]


def _check(port: Port, tensor: Tensor, max_rows: int) -> None:
    if not port.takes(tensor.shape):
        expected, got = shape_text(port.shape), shape_text(tensor.shape)
        raise wrong(f"{tensor.place}: expected shape {expected}, got {got}")
    if math.prod(tensor.shape) >= _UNCOUNTED:
        raise wrong(f"{tensor.place}: a shape of {shape_text(tensor.shape)} is of more elements than can be")
    check_rows(tensor.shape[0], max_rows)


def _check_lengths(tensors: list[Tensor]) -> None:
    first = tensors[0]
    for tensor in tensors:
        if tensor.shape[0] != first.shape[0]:
            raise wrong(f"{tensor.place} has {tensor.shape[0]} rows, and {first.place} has {first.shape[0]}")


# what it becomes


def _of_matrix(encoding: Encoding, tensor: Tensor, regular: bool) -> Request:
    matrix = _numbers(tensor, regular)
    matrix = matrix.reshape(len(matrix), -1) if matrix.ndim == 1 else matrix
    if tensor.blob is None:  # JSON has no infinity
        return Request(matrix)

    def check() -> None:
        try:
            check_finite(encoding, matrix, Problems("features[{}]"))
        except Invalid as error:
            raise Invalid(*error.problems, summary=f"{tensor.place}: {error}") from None

    return Request(matrix, check=check)


def _column(column: Column, tensor: Tensor, regular: bool) -> RawColumn:
    if isinstance(column, CategoricalColumn):
        return _categories(column, tensor, regular)
    found = _numbers(tensor, regular)
    return found.reshape(-1) if isinstance(column, NumericColumn) else found


def _numbers(tensor: Tensor, regular: bool) -> Array:
    if tensor.datatype.name == "BYTES":
        raise wrong(f"{tensor.place}: expected numbers (FP32, or another numeric type), got BYTES")
    return numbers(tensor, regular=regular)


def _categories(column: CategoricalColumn, tensor: Tensor, regular: bool) -> Codes:
    if column.boolean and tensor.datatype.name == "BOOL":
        return _truths(numbers(tensor, regular=regular).reshape(-1))
    if tensor.datatype.name != "BYTES":
        expected = "BOOL or BYTES" if column.boolean else "BYTES, since this column has categories"
        raise wrong(f"{tensor.place}: expected {expected}; got {tensor.datatype.name}")
    found = strings(tensor)
    if column.boolean:
        for number, cell in enumerate(found):
            if cell not in ("true", "false", None):
                raise wrong(
                    f"{tensor.place}: element {number}: expected 'true' or 'false', got {described(cell)}"
                )
    return codes(found)


def _truths(found: Array) -> Codes:
    """Codes of booleans; NaN, which is what null becomes, is missing."""
    missing = np.isnan(found) if found.dtype.kind == "f" else np.zeros(found.shape, bool)
    return Codes(np.where(missing, -1, np.where(missing, 0, found)).astype(np.int32), ("false", "true"))
