"""The first of two passes: blocks go to disk with provisional codes, while all is counted."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from app.datasets.labels import LEAST_ROWS, Label, Labels
from app.datasets.limits import Limits
from app.datasets.table import Array, BadCell, Block, Cells, Field, Kind, Source, Wanted
from app.datasets.vocabulary import TextBudget, Vocabulary
from app.errors import TooLarge

SUSPICIOUS = 20  # rows, texts or classes from which a pattern in them is hardly chance


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What the first pass found: each column's missing cells, if constant, if each number is larger than the one
    before, its vocabulary; the classes."""

    rows: int
    missing: tuple[int, ...]
    constant: tuple[bool, ...]
    rising: tuple[bool, ...]
    vocabularies: tuple[Vocabulary | None, ...]
    classes: tuple[Label, ...]
    class_rows: tuple[int, ...]
    label_places: Array


def write_draft(source: Source, path: Path, limits: Limits, wanted: Wanted | None = None) -> Tally:
    """Write all blocks of `source` to an Arrow file at `path`; what is `wanted` is what the options said.

    Raises what reading raises, Invalid and TooLarge.
    """
    draft = _Draft(source, limits, wanted)
    try:
        with pa.OSFile(str(path), "wb") as sink, ipc.new_file(sink, draft.schema) as writer:
            for block in source.blocks():
                writer.write_batch(draft.batch(block))
        return draft.tally()
    except BadCell as fault:
        raise fault.invalid(source) from fault


class _Draft:
    def __init__(self, source: Source, limits: Limits, wanted: Wanted | None) -> None:
        self._fields = source.fields
        self._labels = Labels(
            column=source.label,
            as_text=source.labels_are_text and not (wanted is not None and wanted.text_labels),
            max_classes=limits.max_classes,
            least=(LEAST_ROWS, 2) if wanted is None else (1, 1),
        )
        budget = TextBudget()
        self._vocabularies = [
            Vocabulary(budget) if f.kind is Kind.CATEGORICAL else None for f in self._fields
        ]
        self._missing = np.zeros(len(self._fields), dtype=np.int64)
        self._low = np.full(len(self._fields), np.inf)
        self._high = np.full(len(self._fields), -np.inf)
        self._last = np.where([f.kind is Kind.NUMERIC for f in self._fields], -np.inf, np.nan)
        self._most_rows = limits.max_dataset_bytes // (4 + sum(f.row_bytes for f in self._fields))
        self._too_large = TooLarge(
            what="The table", limit=limits.max_dataset_bytes, unit="bytes", setting="max_dataset_bytes"
        )

    @cached_property
    def schema(self) -> Any:
        """Columns by position, since a feature may be called like the label."""
        columns = [(str(position), arrow_type(field)) for position, field in enumerate(self._fields)]
        return pa.schema([*columns, ("label", pa.int32())])

    def batch(self, block: Block) -> Any:
        """The block with categories and labels coded. Raises BadCell, TooLarge."""
        if self._labels.rows + len(block.labels) > self._most_rows:
            raise self._too_large
        arrays = [arrow_array(self._coded(i, cells)) for i, cells in enumerate(block.columns)]
        labels = self._labels.encode(block.labels)
        return pa.record_batch([*arrays, pa.array(labels)], schema=self.schema)

    def _coded(self, position: int, cells: Cells) -> Array:
        vocabulary = self._vocabularies[position]
        if vocabulary is not None:
            codes = vocabulary.encode(cells)
            self._missing[position] += np.count_nonzero(codes < 0)
            return codes
        numbers = np.asarray(cells)
        if numbers.dtype.kind == "f":
            self._check(position, numbers)
        return numbers

    def _check(self, position: int, numbers: Array) -> None:
        low, high = np.fmin.reduce(numbers, axis=None), np.fmax.reduce(numbers, axis=None)
        if np.isinf(low) or np.isinf(high):
            row = int(np.argmax(np.isinf(numbers).reshape(len(numbers), -1).any(axis=1)))
            raise self._infinite(position, row)
        self._last[position] = self._risen(position, numbers)
        self._low[position] = np.fmin(self._low[position], low)
        self._high[position] = np.fmax(self._high[position], high)
        gaps = np.isnan(numbers)
        self._missing[position] += np.count_nonzero(gaps.any(axis=1) if gaps.ndim == 2 else gaps)

    def _risen(self, position: int, numbers: Array) -> float:
        """The last number, if each is larger than the one before it; NaN if not, now or before."""
        last, few = self._last[position], numbers[:SUSPICIOUS]  # which mostly suffice
        if np.isnan(last) or not (last < numbers[0] and (few[1:] > few[:-1]).all()):
            return np.nan
        return float(numbers[-1]) if (numbers[1:] > numbers[:-1]).all() else np.nan

    def _infinite(self, position: int, row: int) -> BadCell:
        name, row = self._fields[position].name, row + self._labels.rows
        return BadCell(f"column {name!r} has an infinite value in row {row}", row=row, column=name)

    def tally(self) -> Tally:
        """The counts, once all blocks are written. Raises Invalid, BadCell."""
        classes, counts, places = self._labels.finish()
        return Tally(
            rows=self._labels.rows,
            missing=tuple(map(int, self._missing)),
            constant=tuple(map(self._is_constant, range(len(self._fields)))),
            rising=tuple((self._last > -np.inf) & (self._labels.rows >= SUSPICIOUS)),
            vocabularies=tuple(self._vocabularies),
            classes=classes,
            class_rows=tuple(map(int, counts)),
            label_places=places,
        )

    def _is_constant(self, position: int) -> bool:
        vocabulary = self._vocabularies[position]
        one = len(vocabulary.codes) == 1 if vocabulary else self._low[position] == self._high[position]
        return bool(one) and self._missing[position] == 0


def arrow_type(field: Field) -> Any:
    """How a column lies in the file: int32 codes, floats, or fixed-size lists."""
    if field.kind is Kind.CATEGORICAL:
        return pa.int32()
    number = pa.from_numpy_dtype(np.dtype(field.dtype))
    return pa.list_(number, field.width) if field.kind is Kind.VECTOR else number


def arrow_array(numbers: Array) -> Any:
    """(m,) or (m, width) numbers as an Arrow array, without a copy where they lie in row order."""
    if numbers.ndim == 1:
        return pa.array(numbers, from_pandas=False)
    flat = pa.array(np.ascontiguousarray(numbers).reshape(-1), from_pandas=False)
    return pa.FixedSizeListArray.from_arrays(flat, numbers.shape[1])
