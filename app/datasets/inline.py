"""Rows and labels as JSON values: the body of application/json, and `data` inside a training request."""

from collections.abc import Iterator, Sequence
from types import NoneType
from typing import Any

import pyarrow as pa

from app.datasets.instances import Instances
from app.datasets.labels import label_array
from app.datasets.table import BadCell, Block, Options, check_categorical
from app.errors import Invalid, Problem

_BLOCK_CELLS = 1 << 20
_MEMBERS = {"instances", "labels", "feature_names"}


class InlineSource:
    """`{"instances", "labels", "feature_names"?}` as a source. Raises Invalid, TooLarge."""

    labels_are_text = False

    def __init__(self, value: object, options: Options) -> None:
        self.warnings: list[str] = []
        instances, self._labels, names = _members(value)
        if names is None and options.wanted is not None and instances and isinstance(instances[0], list):
            names = list(options.wanted.columns)
            instances = as_cells(instances) if options.wanted.vector else instances
        self._table = Instances.typed(
            instances, feature_names=names, categorical=options.categorical, limits=options.limits
        )
        self.fields = self._table.fields
        feature_names = [field.name for field in self.fields]
        check_categorical(feature_names, options)
        self.label = label_name(options.label, feature_names, "label")
        if len(self._labels) != len(instances):
            message = f"there are {len(instances)} instances but {len(self._labels)} labels"
            raise Invalid(Problem(message=message, location="labels"))
        self._check_labels()

    def place(self, row: int, column: str) -> str | None:
        """The instance of a row, or its label."""
        return f"{'labels' if column == self.label else 'instances'}[{row}]"

    def blocks(self) -> Iterator[Block]:
        """The rows, about a million cells at a time."""
        step = max(1, _BLOCK_CELLS // (len(self.fields) + 1))
        for start in range(0, len(self._labels), step):
            stop = start + step
            labels = self._label_array(self._labels[start:stop], start)
            yield Block(self._table.columns(start, stop), labels)

    def _label_array(self, labels: Sequence[Any], start: int) -> Any:
        try:
            return label_array(list(labels))
        except OverflowError:
            row = start + next(
                i for i, label in enumerate(labels) if type(label) is int and abs(label) >= 2**63
            )
            message = f"the label in row {row} is {labels[row - start]!r:.100}, beyond 64 bits"
            raise BadCell(message, row=row, column=self.label).invalid(self) from None
        except (pa.ArrowException, UnicodeError) as error:
            raise Invalid(
                Problem(message=f"labels from row {start} on: {error}", location="labels")
            ) from error

    def _check_labels(self) -> None:
        """One type for all labels, by the first: text, truth, or numbers."""
        types: dict[type, set[type]] = {str: {str}, bool: {bool}, int: {int, float}, float: {int, float}}
        first = next((label for label in self._labels if label is not None), None)
        allowed = types.get(type(first), set())
        if set(map(type, self._labels)) <= allowed:
            return
        for row, label in enumerate(self._labels):
            if type(label) not in allowed:
                raise self._bad_label(row, label, first).invalid(self)

    def _bad_label(self, row: int, label: object, first: object) -> BadCell:
        if label is None:
            return BadCell(f"the label is missing in row {row}", row=row, column=self.label)
        kind = "boolean" if isinstance(first, bool) else "string" if isinstance(first, str) else "number"
        shown = repr(label)[:100]
        message = f"the label in row {row} is {shown}, but the first label {first!r} is a {kind}"
        if type(label) not in (str, int, float, bool):
            message = f"the label in row {row} is {shown}; labels are strings, integers or booleans"
        return BadCell(message, row=row, column=self.label)


def as_cells(rows: list[Any]) -> list[Any]:
    """Rows of a single vector each as lists of one cell, if they are written bare."""
    wrapped = len(rows[0]) == 1 and isinstance(rows[0][0], list | NoneType)
    return rows if wrapped else [[row] for row in rows]


def label_name(wanted: str | None, features: list[str], default: str) -> str:
    """What the labels are called when they come apart from the rows.

    Raises Invalid if a feature has that name.
    """
    if wanted is None:
        while default in features:
            default += "_"
        return default
    if wanted in features:
        message = f"{wanted!r} is a feature column; here the labels come apart from the rows"
        raise Invalid(Problem(message=message, column=wanted, location="query.label"))
    return wanted


def _members(value: object) -> tuple[list[Any], list[Any], list[Any] | None]:
    if not isinstance(value, dict):
        raise Invalid(Problem(message='expected an object {"instances": […], "labels": […]}'))
    unknown = sorted(set(value) - _MEMBERS)
    if unknown:
        message = f"unknown member {unknown[0]!r}; known are: instances, labels, feature_names"
        raise Invalid(Problem(message=message, location=unknown[0]))
    for name in ("instances", "labels"):
        if not isinstance(value.get(name), list):
            raise Invalid(Problem(message=f"{name!r} is missing or not a list", location=name))
    names = value.get("feature_names")
    if names is not None and not isinstance(names, list):
        raise Invalid(Problem(message="'feature_names' is not a list", location="feature_names"))
    return value["instances"], value["labels"], names
