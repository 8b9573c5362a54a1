"""A stored dataset seen through the memory map, as arrays for `core.encoding`."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from app.datasets.record import Dataset
from app.datasets.rows import LABEL, Column, Layout
from app.datasets.table import Array, Kind
from app.errors import StorageFailed
from core.encoding import Codes, RawColumn, RawColumns


class OpenDataset:
    """Rows of one dataset. Arrays are views of the file where it has one batch, and copies otherwise."""

    def __init__(self, path: Path, dataset: Dataset) -> None:
        self.dataset = dataset
        try:
            reader = ipc.open_file(pa.memory_map(str(path), "r"))
            self._layout = Layout.of(reader.schema)
            self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise StorageFailed(what=f"read dataset {dataset.id}", reason="its file is damaged") from error

    @cached_property
    def labels(self) -> Array:
        """(rows,) int32 codes into `dataset.classes`."""
        return joined([np.asarray(batch.column(LABEL)) for batch in self._batches])

    @property
    def booleans(self) -> frozenset[str]:
        """The categorical columns whose two categories are "false" and "true"."""
        return frozenset(c.field.name for c in self._layout.columns if c.boolean)

    @property
    def layout(self) -> tuple[Column, ...]:
        """The feature columns as they are stored."""
        return self._layout.columns

    def batches(self) -> Iterator[tuple[RawColumns, Array]]:
        """The rows as they lie in the file, a batch at a time: every feature column, and (m,) label codes."""
        for batch in self._batches:
            yield self._joined([batch]), np.asarray(batch.column(LABEL))

    def columns(self) -> RawColumns:
        """All rows of every feature column."""
        return self._joined(self._batches)

    def _joined(self, batches: list[Any]) -> RawColumns:
        return built(self._layout, lambda i: joined([piece_of(self._layout, batch, i) for batch in batches]))


def built(layout: Layout, numbers: Callable[[int], Array]) -> RawColumns:
    """Every feature column by its name, given the numbers of the one at each position."""
    return {column.field.name: _raw(column, numbers(i)) for i, column in enumerate(layout.columns)}


def piece_of(layout: Layout, batch: Any, position: int) -> Array:
    """(m,) or (m, width) numbers of a column of a batch, a view of it."""
    column, field = batch.column(position), layout.columns[position].field
    if field.kind is Kind.VECTOR:
        return np.asarray(column.flatten()).reshape(-1, field.width)
    return np.asarray(column)


def joined(pieces: list[Array]) -> Array:
    """The pieces one after the other; a single one as it is."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _raw(column: Column, numbers: Array) -> RawColumn:
    return Codes(numbers, column.vocabulary) if column.field.kind is Kind.CATEGORICAL else numbers
