"""Parquet, read batch by batch; text stays in its dictionaries, so that a short file cannot swell in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from app.datasets.formats.arrow_columns import is_text
from app.datasets.formats.columnar import ColumnarSource
from app.datasets.formats.reading import reading
from app.datasets.table import Options
from app.errors import Invalid, Problem, TooLarge

_WHAT = "The Parquet file"
_BATCH_ROWS = 8192
_DELTAS = {"DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"}


def parquet_source(path: Path, options: Options) -> ColumnarSource:
    """The file as a source. Raises Unreadable, Invalid, TooLarge."""
    with reading(_WHAT), _opened(path, []) as file:
        schema = file.schema_arrow
        _check_size(file.metadata, options.limits.max_dataset_bytes)
        texts = [field.name for field in schema if is_text(field.type)]
        _check_encodings(file.metadata, set(texts))

    def batches(names: list[str]) -> Iterator[Any]:
        with _opened(path, [name for name in texts if name in names]) as opened:
            yield from opened.iter_batches(_BATCH_ROWS, columns=names, use_threads=False)

    return ColumnarSource(_WHAT, schema, batches, options)


def _opened(path: Path, texts: list[str]) -> Any:
    return parquet.ParquetFile(
        pa.OSFile(str(path), "rb"), read_dictionary=texts, pre_buffer=False, buffer_size=1 << 16
    )


def _check_encodings(metadata: Any, texts: set[str]) -> None:
    """Raise Invalid for text in deltas, of which Arrow makes no dictionaries."""
    places = [i for i in range(metadata.num_columns) if texts and metadata.schema.column(i).path in texts]
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, places):
            for encoding in _DELTAS & set(column.encodings):
                name = column.path_in_schema
                message = f"column {name!r} is encoded as {encoding}; write its text PLAIN or in a dictionary"
                raise Invalid(Problem(message=message, column=name))


def _check_size(metadata: Any, limit: int) -> None:
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    if sum(group.total_byte_size for group in groups) > limit:
        raise TooLarge(what="The Parquet file's data", limit=limit, unit="bytes", setting="max_dataset_bytes")
