"""The label column: strings, integers or booleans, coded as they are met and put in order at the end."""

import re

import numpy as np
import pyarrow as pa

from app.datasets.missing import MISSING
from app.datasets.table import Array, ArrowArray, BadCell
from app.datasets.vocabulary import distinct
from app.errors import Invalid, Problem

Label = str | int | bool

LEAST_ROWS = 4
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)


class Labels:
    """Counts and codes labels by blocks. `as_text`: all came as text, so their type is settled at the end.

    least: the rows and the classes that there must be.
    """

    def __init__(
        self, *, column: str, as_text: bool, max_classes: int, least: tuple[int, int] = (LEAST_ROWS, 2)
    ) -> None:
        self._column, self._as_text, self._most = column, as_text, max_classes
        self._least_rows, self._least_classes = least
        self._codes: dict[tuple[type, Label], int] = {}
        self._first_rows: list[int] = []
        self._counts = np.zeros(0, dtype=np.int64)
        self.rows = 0

    def encode(self, cells: ArrowArray) -> Array:
        """(m,) labels → (m,) int32 codes in order of appearance. Raises BadCell if missing or not a label."""
        indices, values = distinct(cells)
        if (indices < 0).any():
            raise self._bad(int(np.argmax(indices < 0)), "is missing")
        table = np.empty(len(values), dtype=np.int32)
        for position, value in enumerate(values):
            table[position] = self._code(value, indices, position)
        codes = table[indices]
        self._counts = np.bincount(codes, minlength=len(self._codes)) + np.pad(
            self._counts, (0, len(self._codes) - len(self._counts))
        )
        self.rows += len(codes)
        return codes

    def _code(self, value: object, indices: Array, position: int) -> int:
        label, fault = settled(value)
        if label is None:
            raise self._bad(int(np.argmax(indices == position)), fault)
        key = (type(label), label)
        if key not in self._codes:
            self._codes[key] = len(self._codes)
            self._first_rows.append(self.rows + int(np.argmax(indices == position)))
            if len(self._codes) > self._most:
                message = (
                    f"more than {self._most} different labels (max_classes): is {self._column!r} the label?"
                )
                raise Invalid(Problem(message=message, column=self._column))
        return self._codes[key]

    def _bad(self, place: int, fault: str) -> BadCell:
        """place: of the row, counted from those that come next."""
        row = self.rows + place
        return BadCell(f"the label {self._column!r} {fault} in row {row}", row=row, column=self._column)

    def finish(self) -> tuple[tuple[Label, ...], Array, Array]:
        """The classes in order, rows of each, and the new code of each old one.

        Raises Invalid for too few rows or classes; BadCell for "NA" among whole numbers.
        """
        if self.rows < self._least_rows:
            needed = f"{self._least_rows} row{'s' if self._least_rows > 1 else ''}"
            problem = Problem(message=f"needs at least {needed}, and has {self.rows}")
            raise Invalid(problem)
        labels = [label for _, label in self._codes]
        if self._as_text:
            labels = self._typed([str(label) for label in labels])
        if len(labels) < self._least_classes:
            message = (
                f"all {self.rows} rows have the label {labels[0]!r}; a classifier needs at least two classes"
            )
            raise Invalid(Problem(message=message, column=self._column))
        order = sorted(range(len(labels)), key=lambda code: labels[code])
        places = np.empty(len(labels), dtype=np.int32)
        places[order] = np.arange(len(labels))
        return tuple(labels[code] for code in order), self._counts[order], places

    def _typed(self, texts: list[str]) -> list[Label]:
        whole = [text for text in texts if is_whole(text)]
        if len(whole) == len(texts):
            return [int(text) for text in texts]
        if set(texts) <= {"true", "false"}:
            return [text == "true" for text in texts]
        for text, row in zip(texts, self._first_rows, strict=True):
            if len(whole) >= 2 and text in MISSING and set(texts) - set(whole) <= MISSING:
                fault = f"is {text!r}, which is a missing value among whole numbers,"
                raise self._bad(row - self.rows, fault)
        return list(texts)


def is_whole(text: str) -> bool:
    """Whether a text is how Python writes some integer of 64 bits."""
    return bool(_WHOLE.fullmatch(text)) and text != "-0" and -(2**63) <= int(text) < 2**63


def settled(value: object) -> tuple[Label | None, str]:
    """The value as a label, or None and what is wrong with it."""
    if value is None or value == "" or value != value:  # noqa: PLR0124 - NaN alone differs from itself
        return None, "is missing"
    if isinstance(value, float):
        if value.is_integer() and abs(value) <= 2**53:
            return int(value), ""
        return None, f"is {value!r}, not a whole number (this is classification),"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return None, f"is {value!r}, beyond 64 bits,"
    return (value, "") if isinstance(value, str | int) else (None, f"is a {type(value).__name__}")


def label_array(values: list[object]) -> ArrowArray:
    """JSON labels as an Arrow array; floats and ints together become floats.

    Raises pa.ArrowInvalid if mixed.
    """
    kinds = set(map(type, values)) - {type(None)}
    return pa.array(values, pa.float64() if kinds == {int, float} else None)
