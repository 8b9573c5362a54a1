"""The second pass: `rows.arrow`, the one file that a dataset is, whose bytes depend on its content alone."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import ipc
from pyarrow.lib import concat_batches

from app.datasets.draft import Tally, arrow_type
from app.datasets.labels import Label
from app.datasets.table import Array, Field, Kind

KEY = b"neurona"
FORMAT = 1
LABEL = "label"
_BATCH_BYTES, _MOST_BYTES = 8 << 20, 64 << 20
_MOST_ROWS, _LEAST_ROWS = 65_536, 64


@dataclass(frozen=True, kw_only=True)
class Column:
    """A feature column as it is stored; `vocabulary` and `boolean` only if categorical."""

    field: Field
    vocabulary: tuple[str, ...] = ()
    boolean: bool = False


@dataclass(frozen=True, kw_only=True)
class Layout:
    """All that the file says beside its cells."""

    columns: tuple[Column, ...]
    label: str
    classes: tuple[Label, ...]

    @property
    def batch_rows(self) -> int:
        """Rows per batch: a function of the columns alone, so that equal rows give equal bytes."""
        row_bytes = 4 + sum(column.field.row_bytes for column in self.columns)
        rows = max(_BATCH_BYTES // row_bytes, min(_LEAST_ROWS, _MOST_BYTES // row_bytes), 1)
        return int(min(_MOST_ROWS, 1 << (rows.bit_length() - 1)))

    @property
    def schema(self) -> Any:
        """The Arrow schema; columns are named by position, their true names are in its metadata."""
        fields = [pa.field(str(i), arrow_type(c.field), nullable=False) for i, c in enumerate(self.columns)]
        label = pa.field(LABEL, pa.int32(), nullable=False)
        return pa.schema([*fields, label], metadata={KEY: self._metadata()})

    def _metadata(self) -> bytes:
        columns = [_column_record(column) for column in self.columns]
        record = {"format": FORMAT, "label": self.label, "classes": self.classes, "columns": columns}
        return orjson.dumps(record)

    @classmethod
    def of(cls, schema: Any) -> "Layout":
        """The layout that an Arrow schema made here tells. Raises KeyError, ValueError if it was not."""
        record = orjson.loads(schema.metadata[KEY])
        if record["format"] != FORMAT:
            raise ValueError(f"format {record['format']} is not read here")
        columns = tuple(map(_column_of, record["columns"]))
        return cls(columns=columns, label=record["label"], classes=tuple(record["classes"]))


def _column_record(column: Column) -> dict[str, Any]:
    field = column.field
    record = {"name": field.name, "type": field.kind, "dtype": field.dtype, "width": field.width}
    if field.kind is Kind.CATEGORICAL:
        record |= {"vocabulary": column.vocabulary, "boolean": column.boolean}
    return record


def _column_of(record: dict[str, Any]) -> Column:
    field = Field(
        name=record["name"], kind=Kind(record["type"]), dtype=record["dtype"], width=record["width"]
    )
    return Column(
        field=field, vocabulary=tuple(record.get("vocabulary", ())), boolean=record.get("boolean", False)
    )


def settle(fields: Iterable[Field], label: str, tally: Tally) -> tuple[Layout, list[Array | None]]:
    """The final layout, and for each categorical column the final code of each provisional one."""
    columns, places = list[Column](), list[Array | None]()
    for field, vocabulary in zip(fields, tally.vocabularies, strict=True):
        if vocabulary is None:
            columns.append(Column(field=field))
            places.append(None)
        else:
            texts, place, boolean = vocabulary.settled(boolean=field.boolean)
            plain = Field(name=field.name, kind=field.kind, dtype="int32", forced=field.forced)
            columns.append(Column(field=plain, vocabulary=texts, boolean=boolean))
            places.append(place)
    return Layout(columns=tuple(columns), label=label, classes=tally.classes), places


def write_rows(draft: Path, final: Path, layout: Layout, places: list[Array | None]) -> str:
    """Write `rows.arrow` from the draft; the SHA-256 of its bytes, in hex. `places` ends with the labels'."""
    schema = layout.schema
    with final.open("wb") as file, pa.OSFile(str(draft), "rb") as source:
        sink = _Hashing(file)
        reader = ipc.open_file(source)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        with ipc.new_file(pa.PythonFile(cast(IOBase, sink), "w"), schema) as writer:
            for batch in rechunked(batches, layout.batch_rows):
                arrays = [_replaced(c, p) for c, p in zip(batch.columns, places, strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
        file.flush()
        os.fsync(file.fileno())
        return sink.sha.hexdigest()


def _replaced(column: Any, place: Array | None) -> Any:
    return column if place is None else pa.array(place[np.asarray(column)])


def rechunked(batches: Iterable[Any], rows: int) -> Iterator[Any]:
    """The same rows in batches of exactly `rows`, but for the last."""
    pending, have = list[Any](), 0
    for batch in batches:
        pending.append(batch)
        have += batch.num_rows
        if have >= rows:
            joined = concat_batches(pending)
            whole = have - have % rows
            yield from (joined.slice(start, rows) for start in range(0, whole, rows))
            pending, have = [joined.slice(whole)], have % rows
    if have:
        yield concat_batches(pending)


class _Hashing:
    """A file that Arrow writes through, hashed on the way."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.flush()
