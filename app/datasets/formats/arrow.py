"""Arrow streams and files, through the memory map; a file is read as the stream that it contains."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from app.datasets.formats.arrow_messages import END, check_end, weigh
from app.datasets.formats.columnar import ColumnarSource
from app.datasets.formats.reading import reading
from app.datasets.table import Options
from app.errors import Unreadable

_STREAM, _FILE = "The Arrow stream", "The Arrow file"
_MOST_IN_MEMORY = 64 << 20  # larger batches stay in the memory map, whose pages the system can take back
_MAGIC = 8  # bytes of magic and padding before the stream inside a file


def stream_source(path: Path, options: Options) -> ColumnarSource:
    """An Arrow stream as a source. Raises Unreadable (also if it has no end marker), Invalid, TooLarge."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(END)))
        check_end(_STREAM, file.read())
    return _source(_STREAM, path, 0, options)


def file_source(path: Path, options: Options) -> ColumnarSource:
    """An Arrow file (Feather version 2) as a source. Raises Unreadable, Invalid, TooLarge."""
    with reading(_FILE), pa.memory_map(str(path)) as file:
        batches = ipc.open_file(file).num_record_batches
    return _source(_FILE, path, _MAGIC, options, expected=batches)


def _source(
    what: str, path: Path, offset: int, options: Options, *, expected: int | None = None
) -> ColumnarSource:
    with reading(what):
        weighed = weigh(_from(path, offset, mapped=True))
        schema = ipc.open_stream(_from(path, offset, mapped=True)).schema
    if expected is not None and weighed.batches != expected:
        reason = f"its footer tells of {expected} batches, and {weighed.batches} are there"
        raise Unreadable(what=what, reason=reason)
    mapped = weighed.largest > _MOST_IN_MEMORY

    def batches(_: list[str]) -> Iterator[Any]:
        yield from ipc.open_stream(_from(path, offset, mapped=mapped))

    return ColumnarSource(what, schema, batches, options)


def _from(path: Path, offset: int, *, mapped: bool) -> Any:
    source = pa.memory_map(str(path)) if mapped else pa.OSFile(str(path), "rb")
    source.seek(offset)
    return source
