"""What a reader hands over: typed columns, and the rows in blocks that fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.datasets.limits import Limits
from app.errors import Invalid, Problem, TooLarge

Array: TypeAlias = NDArray[Any]
ArrowArray: TypeAlias = Any  # a pyarrow.Array, of a type known at run time only
Cells: TypeAlias = Any  # an Array or an ArrowArray


class Kind(StrEnum):
    """The three types of columns, as the API names them."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    VECTOR = "vector"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One feature column: `dtype` of its stored numbers, `width` if a vector.

    Of categorical columns only: `boolean` if "true" and "false" mean truth, `forced` if it is text because that was
    asked for, or numbers are in it.
    """

    name: str
    kind: Kind = Kind.NUMERIC
    dtype: str = "float64"
    width: int = 1
    boolean: bool = False
    forced: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes that one row of this column takes in the stored file."""
        return 4 if self.kind is Kind.CATEGORICAL else self.width * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The columns of a model, in its order, where rows are to judge it and not to be trained on.

    Then lists are in that order, any number of rows and classes will do, and what a column is the model knows:
    `categorical` of the options names its columns of text, whether or not a body has them.
    vector: whether it has a single one, of vectors, which rows may write bare. text_labels: whether its classes are
    strings.
    """

    columns: tuple[str, ...]
    vector: bool
    text_labels: bool


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the sender may say about a body, and how large it may be.

    every: whether it must have all columns that are named as `categorical`; a model knows of others, too.
    """

    label: str | None
    categorical: frozenset[str]
    limits: Limits
    every: bool = True
    wanted: Wanted | None = None


class Block(NamedTuple):
    """Some rows: per field (m,) floats, (m, width) numbers or Arrow text; and the labels, as they came."""

    columns: list[Cells]
    labels: ArrowArray


class Source(Protocol):
    """A file or value being read: its columns, then its blocks, in the order of its rows."""

    fields: tuple[Field, ...]
    label: str
    labels_are_text: bool
    warnings: list[str]

    def blocks(self) -> Iterator[Block]:
        """The rows, once. Raises BadCell, Invalid, Unreadable or TooLarge."""
        ...

    def place(self, row: int, column: str) -> str | None:
        """Where a human finds a cell: "line 5", "instances[3]", "labels[3]"."""
        ...


class BadCell(Exception):
    """A cell that cannot be taken; becomes an Invalid once its place is known."""

    def __init__(self, message: str, *, row: int, column: str) -> None:
        super().__init__(message)
        self.row, self.column = row, column

    def invalid(self, source: Source) -> Invalid:
        """The same as the error that the user reads."""
        location = source.place(self.row, self.column)
        return Invalid(Problem(message=str(self), location=location, row=self.row, column=self.column))


def check_names(names: list[str], location: str, limit: int) -> None:
    """Raise Invalid for column names that are empty or occur twice, TooLarge for too many."""
    if len(names) > limit:
        raise TooLarge(what="The table", limit=limit, unit="columns", setting="max_columns")
    problems, seen = [], dict[str, int]()
    for position, name in enumerate(names):
        if not name:
            message = f"column {position} has no name (a data frame saved with its index?)"
            problems.append(Problem(message=message, location=location))
        elif name in seen:
            message = f"column name {name!r} occurs twice, as columns {seen[name]} and {position}"
            problems.append(Problem(message=message, location=location, column=name))
        seen[name] = position
    if problems:
        raise Invalid(*problems[:20])


def label_position(names: list[str], label: str | None, location: str) -> int:
    """The position of the label column, by default the last.

    Raises Invalid if there is none or nothing beside it.
    """
    if label is not None and label not in names:
        shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        message = f"there is no column {label!r} to take the labels from; the columns are: {shown}"
        raise Invalid(Problem(message=message, location=location, column=label))
    if len(names) < 2:
        raise Invalid(
            Problem(message="needs at least two columns: a feature and the label", location=location)
        )
    return len(names) - 1 if label is None else names.index(label)


def check_categorical(names: list[str], options: Options) -> None:
    """Raise Invalid if the sender's `categorical` names something that is no feature column."""
    unknown = sorted(options.categorical.difference(names)) if options.every else ()
    if unknown:
        raise Invalid(
            *(
                Problem(message=f"categorical: there is no feature column {n!r}", column=n)
                for n in unknown[:20]
            )
        )


def text_of(value: object) -> str:
    """A scalar as a category's text: true/false, whole numbers without a point, else as Python writes it."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)
