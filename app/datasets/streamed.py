"""A stored dataset read batch by batch, in bounded memory and addresses: for data larger than either."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from app.datasets.opened import built, joined, piece_of
from app.datasets.record import Dataset
from app.datasets.rows import LABEL, Layout
from app.datasets.table import Array
from app.datasets.windows import Windows
from app.errors import StorageFailed
from core.encoding import RawColumns


class StreamedDataset:
    """Rows of one dataset. What is returned are views of the file's pages where rows lie in one batch.

    May be read by several threads, but by one at a time through one object. look: called before each batch of a pass
    over all rows; it may raise.
    """

    def __init__(self, path: Path, dataset: Dataset, *, look: Callable[[], object] = lambda: None) -> None:
        self.dataset, self._look = dataset, look
        try:
            self._reader = ipc.open_file(pa.PythonFile(Windows(path), "r"))
            self._layout = Layout.of(self._reader.schema)
            self.batch_rows = int(self._reader.get_batch(0).num_rows)  # of every batch but the last
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise StorageFailed(what=f"read dataset {dataset.id}", reason="its file is damaged") from error

    def __len__(self) -> int:
        return self.dataset.rows

    @property
    def row_bytes(self) -> int:
        """Bytes that the features of a row take in the file."""
        return sum(column.field.row_bytes for column in self._layout.columns)

    @property
    def numbers(self) -> int:
        """Numbers or codes in a row's features."""
        return sum(column.field.width for column in self._layout.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the feature columns."""
        return tuple(column.field.name for column in self._layout.columns)

    @property
    def booleans(self) -> frozenset[str]:
        """The categorical columns whose two categories are "false" and "true"."""
        return frozenset(c.field.name for c in self._layout.columns if c.boolean)

    @cached_property
    def labels(self) -> Array:
        """(rows,) int32 codes into `dataset.classes`."""
        labels = np.empty(len(self), np.int32)
        for number in range(self._reader.num_record_batches):
            self._look()
            here = np.asarray(self._batch(number).column(LABEL))
            labels[number * self.batch_rows :][: len(here)] = here
        return labels

    def parts(self) -> Iterator[RawColumns]:
        """All rows of every feature column, batch by batch."""
        for number in range(self._reader.num_record_batches):
            self._look()
            yield self._columns([self._batch(number)])

    def slice(self, start: int, stop: int) -> RawColumns:
        """Rows start:stop of every feature column."""
        rows = self.batch_rows
        numbers = range(start // rows, max(-(-stop // rows), start // rows + 1))
        return self._columns(
            [
                self._batch(number).slice(max(start - number * rows, 0))[: stop - max(start, number * rows)]
                for number in numbers
            ]
        )

    def take(self, index: Array) -> RawColumns:
        """The rows at these places, in ascending order, of every feature column."""
        homes, starts = np.unique(index // self.batch_rows, return_index=True)
        groups = np.split(index, starts[1:]) if len(homes) else [index]
        picked = [
            self._picked(home, group - home * self.batch_rows)
            for home, group in zip(homes.tolist() or [0], groups, strict=True)
        ]
        return built(self._layout, lambda i: joined([columns[i] for columns in picked]))

    def _picked(self, number: int, rows: Array) -> list[Array]:
        """Copies of some rows of a batch, so that it need not be held."""
        batch = self._batch(number)
        return [piece_of(self._layout, batch, i)[rows] for i in range(len(self._layout.columns))]

    def _batch(self, number: int) -> Any:
        try:
            return self._reader.get_batch(number)
        except (pa.ArrowException, OSError) as error:
            raise StorageFailed(
                what=f"read dataset {self.dataset.id}", reason="its file is damaged"
            ) from error

    def _columns(self, batches: list[Any]) -> RawColumns:
        return built(self._layout, lambda i: joined([piece_of(self._layout, batch, i) for batch in batches]))
