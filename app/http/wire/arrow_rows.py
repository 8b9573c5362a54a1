"""Arrow stream rows: columns by name, in any order; nulls are missing.

Numbers of any integer or float type; strings, and whatever is dictionary-encoded; booleans for boolean columns;
vectors as lists, fixed-size or not. A single-vector model takes its only column under any name.
"""

import struct
from typing import Any

import numpy as np
import pyarrow as pa

from app.datasets.formats.arrow_columns import (
    INDEX,
    is_list,
    is_number,
    is_scalar,
    is_text,
    storage,
    text_seen,
    word,
)
from app.datasets.formats.arrow_messages import END, check_end, row_messages
from app.datasets.vocabulary import MOST_TEXT, distinct
from app.errors import Unreadable
from app.http.wire.problems import Problems, check_header, check_rows, shown, wrong
from app.http.wire.request import Request
from app.http.wire.schema import finite_columns, is_vector, names, of_matrix
from core.arrays import Array
from core.encoding import CategoricalColumn, Codes, Column, Encoding, RawColumn, VectorColumn

_BODY = "The Arrow body"

Chunked = Any  # pa.ChunkedArray of a type that is known only once it is looked at


def read(body: bytes, encoding: Encoding, *, max_rows: int) -> Request:
    """The rows of an Arrow IPC stream.

    Raises `Unreadable` (corrupt), `Invalid` (not this model's columns, or compressed) or `TooLarge`.
    """
    table = _table(body, encoding, max_rows)
    problems = Problems("row {}")
    columns = {c.name: _column(c, table.column(c.name), problems) for c in encoding.columns}
    problems.settle()
    if encoding.inputs is None:
        return Request(finite_columns(columns, problems))
    parts = [raw for raw in columns.values() if not isinstance(raw, Codes)]
    matrix = parts[0] if is_vector(encoding) else np.column_stack(parts)
    return of_matrix(encoding, matrix, problems)


def _table(body: bytes, encoding: Encoding, max_rows: int) -> pa.Table:
    """The table, sound and with the model's columns; nothing is decoded before its header is approved."""
    try:
        said = list(row_messages(pa.BufferReader(body)))
        check_rows(sum(message.rows for message in said), max_rows)
        if any(message.compressed for message in said):
            # A few bytes of them can fill any memory.
            raise wrong("compressed Arrow buffers are not read; send them plain, or the whole body with gzip")
        check_end(_BODY, body[-len(END) :])
        with pa.ipc.open_stream(body) as stream:
            own = [
                place
                for place, name in enumerate(stream.schema.names)
                if not INDEX.fullmatch(name) or name in names(encoding)
            ]
            _check_schema(pa.schema([stream.schema.field(place) for place in own]), encoding)
            table = stream.read_all().select(own)
        table.validate()
        chunks = [chunk for column in table.columns for chunk in column.chunks]
        if text_seen(chunks) > len(body) + MOST_TEXT:
            raise wrong("texts seen through views are far longer than the body; send them as strings")
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        reason = str(error).partition("\n")[0][:200] or "it is corrupt"
        raise Unreadable(what=_BODY, reason=reason) from None
    return table.rename_columns([encoding.columns[0].name]) if is_vector(encoding) else table


def _check_schema(schema: pa.Schema, encoding: Encoding) -> None:
    if not (is_vector(encoding) and len(schema) == 1):
        check_header(schema.names, names(encoding))
    for column in encoding.columns:
        kind = schema.field(0 if is_vector(encoding) else column.name).type
        expected = _expected(column, storage(kind))
        if expected and not pa.types.is_null(kind):
            raise wrong(
                f"column {shown(column.name)}: expected {expected}, got Arrow type {str(kind)[:60]}",
                column=column.name,
            )


def _expected(column: Column, kind: pa.DataType) -> str | None:
    """What the column should be, if `kind` is not that."""
    match column:
        case CategoricalColumn():
            coded = isinstance(kind, pa.DictionaryType) and is_scalar(kind)
            fits = coded or is_text(kind) or (column.boolean and pa.types.is_boolean(kind))
            return None if fits else "booleans" if column.boolean else "strings"
        case VectorColumn():
            fits = is_list(kind) and _is_element(kind.value_type)  # type: ignore[attr-defined]
            return None if fits else f"lists of {column.width} numbers"
        case _:
            return None if is_number(kind) else "numbers"


def _is_element(kind: pa.DataType) -> bool:
    return is_number(kind) or pa.types.is_boolean(kind)


def _column(column: Column, values: Chunked, problems: Problems) -> RawColumn:
    values = values.cast(storage(values.type))
    match column:
        case CategoricalColumn():
            return _codes(column, values, problems)
        case VectorColumn():
            return _vectors(column, values, problems)
        case _:
            return _numbers(values)


def _numbers(values: Chunked) -> Array:
    """(m,) float64, nulls as NaN."""
    numbers: Array = values.cast(pa.float64(), safe=False).to_numpy()
    return numbers


def _codes(column: CategoricalColumn, values: Chunked, problems: Problems) -> Codes:
    """No text is written out for each of its rows: a few bytes of them could fill any memory."""
    places: dict[str, int] = {}
    pieces = [np.empty(0, np.int64)]
    for chunk in values.chunks:
        met, found = distinct(chunk)
        texts = map(word, found)
        table = [-1 if text is None else places.setdefault(text, len(places)) for text in texts]
        pieces.append(np.array([*table, -1])[met])
    codes, words = np.concatenate(pieces), list(places)
    if column.boolean:
        strays = [code for code, word in enumerate(words) if word not in ("true", "false", "")]
        for row in np.flatnonzero(np.isin(codes, strays)).tolist():
            problems.add(
                row, f"expected true or false, got the string {shown(words[codes[row]])}", column.name
            )
    return Codes(codes, tuple(words))


def _vectors(column: VectorColumn, values: Chunked, problems: Problems) -> Array:
    """(m, d) of the lists' own dtype, or float64 where something is null; a null list is NaN throughout."""
    if pa.types.is_null(values.type):
        return np.full((len(values), column.width), np.nan)
    lists = values.combine_chunks()
    there = ~lists.is_null().to_numpy(zero_copy_only=False)
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(there & (lengths != column.width)).tolist():
        problems.add(row, f"expected {column.width} numbers, got {int(lengths[row])}", column.name)
    problems.settle()
    flat: Array = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.width)
    if there.all():
        return flat
    result = np.full((len(there), column.width), np.nan)
    result[there] = flat
    return result
