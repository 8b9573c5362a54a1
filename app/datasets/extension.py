"""A stored dataset with labelled rows after it, as one source: what a dataset becomes when later rows join it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from app.datasets.instances import cells_of, shown
from app.datasets.labels import Label, label_array
from app.datasets.opened import OpenDataset
from app.datasets.table import Array, ArrowArray, Block, Cells, Field, Kind
from app.errors import Invalid, Problem
from core.encoding import Codes, RawColumn

_TRUTHS = {"true": True, "false": False, "": None}
_KINDS: dict[type, str] = {str: "strings", int: "integers", bool: "booleans"}


class Labelled(NamedTuple):
    """Rows as JSON values, their cells in the order of `columns`; `origin` is what messages call them."""

    origin: str
    columns: list[str]
    instances: list[list[Any]]
    labels: list[Label]


class Extension:
    """The rows of a dataset, then those that `more` gives, which is asked twice. Raises Invalid if they don't fit."""

    labels_are_text = False

    def __init__(self, opened: OpenDataset, more: Callable[[], Iterable[Labelled]]) -> None:
        self._opened, self._more = opened, more
        self.label = opened.dataset.label
        self.warnings: list[str] = []
        self._words = [pa.array(column.vocabulary, pa.string()) for column in opened.layout]
        self.fields = self._wide_enough(
            [replace(column.field, boolean=column.boolean) for column in opened.layout]
        )

    def place(self, row: int, column: str) -> str | None:  # noqa: ARG002 - a whole row has one
        """The row; those that joined later come after all others."""
        return f"row {row}"

    def blocks(self) -> Iterator[Block]:
        """The rows of the dataset as they are stored, then a block for each piece of `more`."""
        classes = label_array([each.label for each in self._opened.dataset.classes])
        for columns, labels in self._opened.batches():
            cells = [_stored(raw, words) for raw, words in zip(columns.values(), self._words, strict=True)]
            yield Block(cells, pa.DictionaryArray.from_arrays(labels, classes))
        for piece in self._more():
            yield self._block(piece)

    def _wide_enough(self, fields: list[Field]) -> tuple[Field, ...]:
        """The fields, with float32 in place of uint8 for vectors among whose later rows are other numbers."""
        narrow = {field.name for field in fields if field.dtype == "uint8"}
        wide = {
            field.name
            for piece in (self._more() if narrow else ())
            for field, cells in self._columns(piece, fields)
            if field.name in narrow and not _are_bytes(cells)
        }
        return tuple(replace(field, dtype="float32") if field.name in wide else field for field in fields)

    def _block(self, piece: Labelled) -> Block:
        self._check_labels(piece)
        columns = [
            cells.astype(field.dtype) if field.kind is Kind.VECTOR else cells
            for field, cells in self._columns(piece, self.fields)
        ]
        return Block(columns, label_array(list(piece.labels)))

    def _columns(self, piece: Labelled, fields: Iterable[Field]) -> Iterator[tuple[Field, Cells]]:
        """The piece's cells by the dataset's columns, in their order. Raises Invalid."""
        self._check_columns(piece)
        by_name = dict(zip(piece.columns, zip(*piece.instances, strict=True), strict=True))
        for field in fields:
            cells = by_name.get(field.name, (None,) * len(piece.instances))
            yield field, self._cells(piece, field, cells)

    def _cells(self, piece: Labelled, field: Field, cells: tuple[Any, ...]) -> Cells:
        if field.boolean:
            cells = tuple(_TRUTHS.get(cell, cell) if isinstance(cell, str) else cell for cell in cells)
        try:
            return cells_of(field, cells, 0)
        except Invalid as error:
            row = error.problems[0].row or 0
            kind = f"a vector of {field.width} numbers" if field.kind is Kind.VECTOR else field.kind.value
            reason = f"has {shown(cells[row])} where {field.name!r} is {kind}"
            raise self._unfit(piece, reason, field.name) from error

    def _check_columns(self, piece: Labelled) -> None:
        """The dataset may have got columns since, which are missing here, or have lost some; but not all."""
        names = [column.field.name for column in self._opened.layout]
        if not set(names) & set(piece.columns):
            raise self._unfit(piece, f"has none of its columns, {', '.join(map(repr, names[:10]))}", None)

    def _check_labels(self, piece: Labelled) -> None:
        kind = type(self._opened.dataset.classes[0].label)
        for label in piece.labels:
            if type(label) is not kind:
                raise self._unfit(piece, f"has the label {label!r} where labels are {_KINDS[kind]}", None)

    def _unfit(self, piece: Labelled, fault: str, column: str | None) -> Invalid:
        message = f"{piece.origin} does not fit dataset {self._opened.dataset.id}: it {fault}"
        return Invalid(Problem(message=message, column=column, location="dataset"))


def _stored(raw: RawColumn, words: ArrowArray) -> Cells:
    if not isinstance(raw, Codes):
        return raw
    return pa.DictionaryArray.from_arrays(raw.codes, words, mask=raw.codes < 0)


def _are_bytes(numbers: Array) -> bool:
    """Whether (m, width) numbers are whole and from 0 to 255, none missing."""
    with np.errstate(invalid="ignore"):
        return bool(((numbers >= 0) & (numbers <= 255) & (numbers == np.floor(numbers))).all())
