"""From a dataset to what the network trains on: split, encoding fitted on training rows only, matrices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.datasets.store import OpenDataset
from app.errors import Invalid, Problem
from app.jobs.plan import VALIDATION_FRACTION, Label, Shape, name_of
from core import encoding
from core.arrays import Array
from core.class_weights import class_weights
from core.encoding import Codes, Encoding, RawColumns
from core.splitting import stratified_split
from core.training import Examples


@dataclass(frozen=True, kw_only=True)
class Material:
    """Rows to learn from and rows to judge by, with the encoding that the first gave."""

    encoding: Encoding
    classes: tuple[Label, ...]
    train: Examples
    validation: Examples
    held_back: RawColumns  # the validation rows before encoding, for judging another version on them

    @property
    def shape(self) -> Shape:
        """The size of the data, for the defaults."""
        rows = len(self.train.labels) + len(self.validation.labels)
        return Shape(rows=rows, features=self.encoding.width, classes=len(self.classes))


def prepare(opened: OpenDataset, given: Mapping[str, Any], *, max_categories: int) -> Material:
    """Split, fit the encoding on the training rows and encode both parts; the same for the same arguments.

    Raises: Invalid, if no row can be held back for validation.
    """
    classes = tuple(each.label for each in opened.dataset.classes)
    fraction = given.get("validation_fraction", VALIDATION_FRACTION)
    train_rows, validation_rows = stratified_split(opened.labels, fraction, given.get("seed", 0))
    if len(validation_rows) == 0:
        raise Invalid(Problem(message="no class has two rows, so none can be held back for validation"))
    columns = opened.columns()
    training_columns = take(columns, train_rows)
    fitted = encoding.fit(training_columns, booleans=opened.booleans, max_categories=max_categories)
    labels = opened.labels[train_rows]
    rule = class_rule(given.get("class_weight"), classes)
    held_back = take(columns, validation_rows)
    return Material(
        encoding=fitted,
        classes=classes,
        train=Examples(
            encoding.transform(fitted, training_columns), labels, class_weights(labels, len(classes), rule)
        ),
        validation=Examples(encoding.transform(fitted, held_back), opened.labels[validation_rows]),
        held_back=held_back,
    )


def take(columns: RawColumns, rows: Array) -> RawColumns:
    """Some rows of raw columns, in the order given."""
    return {
        name: Codes(column.codes[rows], column.vocabulary) if isinstance(column, Codes) else column[rows]
        for name, column in columns.items()
    }


def class_rule(weight: str | Mapping[str, float] | None, classes: tuple[Label, ...]) -> Any:
    """`class_weight` as `core` takes it: None, "balanced", or a weight for each class (1 where none is said)."""
    if weight is None or isinstance(weight, str):
        return weight
    return np.array([weight.get(name_of(label), 1.0) for label in classes])
