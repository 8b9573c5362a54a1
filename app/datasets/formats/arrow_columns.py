"""Arrow's types as this room's: which column a type becomes, and its cells in the form that blocks have."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from app.datasets.table import Array, ArrowArray, BadCell, Cells, Field, Kind, text_of
from app.datasets.vector_types import vector_dtype
from app.datasets.vocabulary import distinct
from app.errors import Invalid, Problem

INDEX = re.compile(r"__index_level_\d+__")  # the column that pandas makes of a data frame's index
_TAKEN = "numbers, booleans, text, and lists of numbers of one length"


class Reader(NamedTuple):
    """How one column of a file is read."""

    field: Field
    type: Any

    def cells(self, column: ArrowArray, row: int) -> Cells:
        """A piece of the column, of which the first row is number `row`. Raises BadCell."""
        column = plain(column)
        if self.field.kind is Kind.VECTOR:
            return _vectors(column, self.field, row)
        if self.field.kind is Kind.NUMERIC:
            return _numbers(column, self.field.dtype)
        if self.field.forced or types.is_boolean(column.type):
            return _texts(column)
        return column


def reader_of(name: str, type: Any, *, width: int | None, forced: bool) -> Reader:
    """`width` is the length of a list column's first list, None if it has none.

    Raises Invalid for other types.
    """
    type = storage(type)
    if is_list(type):
        return Reader(_vector_field(name, type, width), type)
    if types.is_dictionary(type) or is_text(type) or types.is_boolean(type) or forced:
        if not is_scalar(type):
            raise _untaken(name, type)
        text = is_text(type) or (types.is_dictionary(type) and is_text(type.value_type))
        boolean = types.is_boolean(type) and not forced
        return Reader(
            Field(name=name, kind=Kind.CATEGORICAL, boolean=boolean, forced=forced or not text), type
        )
    if is_number(type) or types.is_null(type):
        single = types.is_float32(type) or types.is_float16(type)
        return Reader(Field(name=name, dtype="float32" if single else "float64"), type)
    raise _untaken(name, type)


def check_label(name: str, type: Any) -> None:
    """Raise Invalid if a column of this type cannot hold labels."""
    if not is_scalar(storage(type)):
        raise Invalid(
            Problem(
                message=f"label column {name!r} is {type}; labels are integers, booleans or text", column=name
            )
        )


def label_cells(column: ArrowArray) -> ArrowArray:
    """A piece of the label column as `Labels` takes it."""
    column = plain(column)
    if types.is_decimal(column.type) or types.is_float16(column.type):
        return column.cast(pa.float64())
    return column.cast(pa.string()) if types.is_null(column.type) else column


def plain(column: ArrowArray) -> ArrowArray:
    """The column without its extension type; views of text as text."""
    column = _stored(column)
    return column.cast(pa.large_string()) if types.is_string_view(column.type) else column


def _stored(array: ArrowArray) -> ArrowArray:
    """What an array of an extension type is made of; any other is its own."""
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array


def text_seen(arrays: Iterable[ArrowArray]) -> int:
    """The bytes of all texts that are views, many of which may be of the same few bytes; of arrays whose buffers are
    known to be as long as they must be (`validate`)."""
    total, met = 0, set[int]()
    for array in arrays:
        whole = _stored(array)
        texts: Any = whole.dictionary if isinstance(whole, pa.DictionaryArray) else whole
        if len(texts) and types.is_string_view(texts.type):
            views = texts.buffers()[1]
            if texts is whole or views.address not in met:  # batches share their dictionaries
                met.add(views.address)
                lengths = np.frombuffer(views, "<i4")[::4][texts.offset :][: len(texts)]
                total += int(np.maximum(lengths, 0).sum(dtype=np.int64))  # of nulls anything is said
    return total


def is_list(type: Any) -> bool:
    """Whether rows of this type are lists."""
    return types.is_list(type) or types.is_large_list(type) or types.is_fixed_size_list(type)


def is_text(type: Any) -> bool:
    """Whether rows of this type are strings."""
    return types.is_string(type) or types.is_large_string(type) or types.is_string_view(type)


def is_number(type: Any) -> bool:
    """Whether rows of this type are numbers."""
    return types.is_integer(type) or types.is_floating(type) or types.is_decimal(type)


def is_scalar(type: Any) -> bool:
    """Whether rows of this type are numbers, booleans, text or null, perhaps by way of a dictionary."""
    type = type.value_type if types.is_dictionary(type) else type
    return is_number(type) or is_text(type) or types.is_boolean(type) or types.is_null(type)


def storage(type: Any) -> Any:
    """The type that an extension type is made of; any other is its own."""
    return type.storage_type if isinstance(type, pa.BaseExtensionType) else type


def _untaken(name: str, type: Any) -> Invalid:
    return Invalid(Problem(message=f"column {name!r} is {type}; taken are {_TAKEN}", column=name))


def _vector_field(name: str, type: Any, width: int | None) -> Field:
    number = type.value_type
    if not (types.is_integer(number) or types.is_floating(number) or types.is_boolean(number)):
        raise _untaken(name, type)
    if width == 0:
        raise Invalid(Problem(message=f"column {name!r} has a list without numbers", column=name))
    if width is None:
        return Field(name=name)
    dtype = vector_dtype(np.dtype(number.to_pandas_dtype()))
    return Field(name=name, kind=Kind.VECTOR, dtype=dtype, width=width)


def _numbers(column: ArrowArray, dtype: str) -> Array:
    if is_list(column.type):  # a list column without any list
        return np.full(len(column), np.nan)
    if types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    cast = column.cast(pa.from_numpy_dtype(np.dtype(dtype)), safe=False)
    return np.asarray(cast.to_numpy(zero_copy_only=False))


def _texts(column: ArrowArray) -> ArrowArray:
    indices, values = distinct(column)
    codes: ArrowArray = pa.array(indices, mask=indices < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array([*map(word, values)], pa.string()))


def word(value: Any) -> str | None:
    """A scalar as a category's text, None if it is missing."""
    return None if value is None or value != value else text_of(value)  # noqa: PLR0124 - NaN alone is unlike itself


def _vectors(column: ArrowArray, field: Field, row: int) -> Array:
    present = np.asarray(pc.is_valid(column))
    counts: ArrowArray = pc.list_value_length(column)
    lengths = np.asarray(pc.fill_null(counts, field.width))
    if (lengths != field.width).any():
        at = int(np.argmax(lengths != field.width))
        message = (
            f"column {field.name!r} has a list of {lengths[at]} in row {row + at}, the first of {field.width}"
        )
        raise BadCell(message, row=row + at, column=field.name)
    flat = column.flatten()
    gaps = flat.null_count > 0 or not present.all()
    if gaps and field.dtype == "uint8":
        raise _no_gaps(column, field, row)
    numbers = _numbers(flat, field.dtype).reshape(-1, field.width)
    if present.all():
        return numbers
    out = np.full((len(column), field.width), np.nan, dtype=field.dtype)
    out[present] = numbers
    return out


def _no_gaps(column: ArrowArray, field: Field, row: int) -> BadCell:
    at = next(i for i, cell in enumerate(column.to_pylist()) if cell is None or None in cell)
    message = (
        f"column {field.name!r} of {field.dtype} vectors has a missing value in row {row + at}; send floats"
    )
    return BadCell(message, row=row + at, column=field.name)
