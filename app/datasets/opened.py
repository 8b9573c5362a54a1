"""A stored dataset seen through the memory map, as arrays for `core.encoding`."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
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
    """Rows of one dataset. Arrays are views of the file where it has one batch, and copies otherwise.

    A file larger than memory is read by `slice` or `take`, or batch by batch along `offsets`.
    """

    def __init__(self, path: Path, dataset: Dataset) -> None:
        self.dataset = dataset
        try:
            reader = ipc.open_file(pa.memory_map(str(path), "r"))
            self._layout = Layout.of(reader.schema)
            self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise StorageFailed(what=f"read dataset {dataset.id}", reason="its file is damaged") from error
        self.offsets = np.cumsum([0, *(batch.num_rows for batch in self._batches)])

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.offsets[-1])

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
        for number, (start, stop) in enumerate(pairwise(self.offsets.tolist())):
            yield self.slice(start, stop), np.asarray(self._batches[number].column(LABEL))

    def columns(self) -> RawColumns:
        """All rows of every feature column."""
        return self._built(lambda i: [self._piece(batch, i) for batch in self._batches])

    def slice(self, start: int, stop: int) -> RawColumns:
        """Rows start:stop of every feature column; views of the file if they lie in one batch."""
        bounds = zip(self._batches, self.offsets[:-1], strict=True)
        parts = [b.slice(max(start - at, 0), min(stop - at, b.num_rows) - max(start - at, 0))
                 for b, at in bounds if at < stop and start < at + b.num_rows]  # fmt: skip
        return self._built(lambda i: [self._piece(part, i) for part in parts or [self._batches[0][:0]]])

    def take(self, index: Sequence[int] | Array) -> RawColumns:
        """The rows at the positions `index`, in that order, of every feature column; touches only these."""
        wanted = np.asarray(index, dtype=np.int64)
        if len(wanted) and not (wanted.min() >= 0 and wanted.max() < self.rows):
            raise IndexError(f"rows are numbered from 0 to {self.rows - 1}")
        home = np.searchsorted(self.offsets, wanted, side="right") - 1
        order = np.argsort(home, kind="stable")
        used, starts = np.unique(home[order], return_index=True)
        groups = list(zip(used, np.split(order, starts[1:]), strict=True)) if len(used) else []
        return self._built(lambda i: [self._gathered(i, wanted, groups)])

    def _gathered(self, position: int, wanted: Array, groups: list[tuple[int, Array]]) -> Array:
        like = self._piece(self._batches[0], position)
        out = np.empty((len(wanted), *like.shape[1:]), dtype=like.dtype)
        for number, places in groups:
            piece = self._piece(self._batches[number], position)
            out[places] = piece[wanted[places] - self.offsets[number]]
        return out

    def _built(self, pieces: Callable[[int], list[Array]]) -> RawColumns:
        return built(self._layout, lambda i: joined(pieces(i)))

    def _piece(self, batch: Any, position: int) -> Array:
        return piece_of(self._layout, batch, position)


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
