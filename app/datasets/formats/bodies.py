"""Which reader reads which type."""

from pathlib import Path

from app.datasets import types
from app.datasets.formats.csv import CsvSource
from app.datasets.formats.json import json_source
from app.datasets.formats.npz import NpzSource
from app.datasets.table import Options, Source
from app.datasets.types import check_bytes


def open_body(media_type: str, path: Path, options: Options) -> Source:
    """A reader for the file at `path`, its columns known already. Raises Unreadable, Invalid, TooLarge."""
    with path.open("rb") as file:
        check_bytes(media_type, file.read(16))
    if media_type == types.CSV:
        return CsvSource(path, options)
    if media_type == types.JSON:
        return json_source(path, options)
    return NpzSource(path, options)
