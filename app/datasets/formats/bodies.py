"""Which reader reads which type."""

from collections.abc import Callable
from pathlib import Path

from app.datasets import types
from app.datasets.formats.arrow import file_source, stream_source
from app.datasets.formats.csv import CsvSource
from app.datasets.formats.json import json_source
from app.datasets.formats.npz import NpzSource
from app.datasets.formats.parquet import parquet_source
from app.datasets.table import Options, Source
from app.datasets.types import check_bytes

_READERS: dict[str, Callable[[Path, Options], Source]] = {
    types.CSV: CsvSource,
    types.JSON: json_source,
    types.NPZ: NpzSource,
    types.PARQUET: parquet_source,
    types.ARROW_STREAM: stream_source,
    types.ARROW_FILE: file_source,
}


def open_body(media_type: str, path: Path, options: Options) -> Source:
    """A reader for the file at `path`, its columns known already. Raises Unreadable, Invalid, TooLarge."""
    with path.open("rb") as file:
        check_bytes(media_type, file.read(16))
    return _READERS[media_type](path, options)
