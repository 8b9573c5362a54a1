"""Training material whose rows stay on disk: read in blocks, encoded on the way, for data larger than memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from app.datasets.streamed import StreamedDataset
from app.jobs import plan
from app.jobs.plan import HELD_BYTES, POOL_BYTES, Shape
from app.training.material import Before, Material, dealt, weighted
from core import encoding
from core.arrays import Array
from core.columns import take
from core.dealing import fingerprints
from core.encoding import Encoding, RawColumns

_BLOCK_BYTES = 512 << 10  # of a single column, which are read at once; of several, a whole batch
_BLOCKS = 16  # in a pool, at least


def prepare_streamed(
    opened: StreamedDataset, given: Mapping[str, Any], *, max_categories: int, before: Before | None = None
) -> Material:
    """As `material.prepare`, for one network: the encoding is fitted in passes over the file, and only the rows
    that are held out are encoded for good. There are fewer of these than asked for where they are very many.

    Raises: Invalid, if no row can be held back for validation.
    """
    labels, classes = opened.labels, tuple(each.label for each in opened.dataset.classes)
    features = opened.dataset.features(max_categories)
    shape = Shape(rows=len(labels), features=features, classes=len(classes))
    given = {**given, "folds": plan.folds(given, shape)}
    table = OnDisk(opened)
    most = HELD_BYTES / (4 * max(features, len(classes)) * len(labels))

    def fitted(fold: Array) -> Encoding:
        learned = Learned(opened, fold)
        return encoding.fit_parts(learned, booleans=opened.booleans, max_categories=max_categories)

    everything = np.full(len(labels), -1)
    known = None if before is None else before.deal_among(table.names, lambda: fitted(everything))
    by = dealt(table, labels, given, known, most=most)
    return weighted(table, labels, by, given=given, classes=classes, encoding=fitted(by.fold))


@dataclass(frozen=True)
class OnDisk:
    """The rows as they came, read when they are asked for."""

    opened: StreamedDataset

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and numbers or codes in each."""
        return len(self.opened), self.opened.numbers

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return self.opened.names

    def take(self, rows: Array) -> RawColumns:
        """The rows of these numbers, in ascending order."""
        return self.opened.take(rows)

    def prints(self, names: Mapping[str, str]) -> Array:
        """(m,) every row's fingerprint by these columns, each under the name beside its own."""
        parts = (
            fingerprints({called: part[name] for name, called in names.items()})
            for part in self.opened.parts()
        )
        return np.concatenate(list(parts))

    def encoded(self, fitted: Encoding, fold: Array, /) -> "EncodedRows":
        """As they are read, but those that are held out, which are kept."""
        return EncodedRows(self.opened, fitted, np.flatnonzero(fold >= 0))


@dataclass(frozen=True)
class Learned:
    """The rows that are not held out, batch by batch, as often as they are gone through."""

    opened: StreamedDataset
    fold: Array

    def __iter__(self) -> Iterator[RawColumns]:
        start = 0
        for part in self.opened.parts():
            stop = start + self.opened.batch_rows
            yield take(part, np.flatnonzero(self.fold[start:stop] < 0))
            start = stop


class EncodedRows:
    """A `core` RowSource: rows of the file, encoded as they are read; those held out are kept."""

    dtype = np.dtype(np.float32)

    def __init__(self, opened: StreamedDataset, fitted: Encoding, held: Array) -> None:
        self._opened, self._encoding, self._held = opened, fitted, held
        self.shape = (len(opened), fitted.width)
        self.pool_rows = max(1, POOL_BYTES // (4 * fitted.width))
        together = opened.batch_rows if len(opened.names) > 1 else _BLOCK_BYTES // opened.row_bytes
        self.block_rows = max(1, min(together, opened.batch_rows, self.pool_rows // _BLOCKS))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Array) -> Array:
        """(n, width) of these rows: from start to stop, or numbered, of those held out."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return encoding.transform(self._encoding, self._opened.slice(start, stop))
        places = np.searchsorted(self._held, rows)
        assert np.array_equal(self._held.take(places, mode="clip"), rows), (
            "of others, whole stretches are read"
        )
        return self._kept[places]

    @cached_property
    def _kept(self) -> Array:
        """The rows held out, encoded."""
        kept = np.empty((len(self._held), self.shape[1]), self.dtype)
        for start in range(0, len(kept), self._opened.batch_rows):
            part = self._held[start : start + self._opened.batch_rows]
            kept[start : start + len(part)] = encoding.transform(self._encoding, self._opened.take(part))
        return kept
