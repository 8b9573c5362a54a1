"""A version judged on labelled data that it has not seen."""

from typing import Any

import numpy as np

from app.datasets.store import DatasetStore, OpenDataset, Wanted
from app.errors import Invalid, Problem
from app.http.uploads import Body
from app.http.wire.problems import Problems, described
from app.http.wire.schema import is_vector, names
from app.repository.model import Model, class_places
from app.serving import predictor
from core.arrays import Array
from core.encoding import CategoricalColumn, Codes, Encoding, NumericColumn, RawColumns
from core.metrics import evaluate as judge


def evaluate(model: Model, datasets: DatasetStore, body: Body, *, label: str | None) -> dict[str, Any]:
    """The card's metrics on the rows of a body, which is read for the model's columns and not kept; and the classes,
    in whose order some of them are.

    Raises: as `DatasetStore.passing`; Invalid, for labels or columns that the model lacks.
    """
    schema = model.encoding.columns
    with datasets.passing(
        body.chunks,
        media_type=body.media_type,
        encoding=body.encoding,
        label=label,
        categorical=[column.name for column in schema if isinstance(column, CategoricalColumn)],
        wanted=Wanted(
            columns=names(model.encoding),
            vector=is_vector(model.encoding),
            text_labels=isinstance(model.classes[0], str),
        ),
    ) as opened:
        places = _places(model, opened)
        columns = _checked(opened.columns(), model.encoding)
        logs = predictor.log_probabilities(model, _rows(columns, model.encoding))
        metrics = judge(logs, places[opened.labels])
    return {
        "model": model.name,
        "version": model.version,
        "rows": opened.dataset.rows,
        "classes": list(model.classes),
        "metrics": metrics.to_dict(),
    }


def _places(model: Model, opened: OpenDataset) -> np.ndarray[Any, Any]:
    """For each class of the rows its place among the model's. Raises: Invalid."""
    labels = [each.label for each in opened.dataset.classes]
    found = class_places(model.classes, labels)
    unknown = [label for label, place in zip(labels, found, strict=True) if place is None]
    if unknown:
        classes = ", ".join(repr(label) for label in model.classes[:10])
        message = f"the model has no class {unknown[0]!r}; it has {classes}"
        raise Invalid(Problem(message=message, location="labels"))
    return np.array(found)


def _checked(columns: RawColumns, encoding: Encoding) -> RawColumns:
    """The columns, those of truth in lower case, as the model knows it; a CSV may have `True`.

    Raises: Invalid, for text where the model has a number or a truth: it would count as missing.
    """
    checked, problems = dict(columns), Problems("row {}")
    for column in encoding.columns:
        raw = columns.get(column.name)
        if not isinstance(raw, Codes):
            continue
        if isinstance(column, NumericColumn):
            _refuse(raw, raw.codes >= 0, "a number", column.name, problems)
        elif isinstance(column, CategoricalColumn) and column.boolean:
            words = tuple(word.lower() for word in raw.vocabulary)
            other = [code for code, word in enumerate(words) if word not in ("true", "false")]
            _refuse(raw, np.isin(raw.codes, other), "true or false", column.name, problems)
            checked[column.name] = Codes(raw.codes, words)
    problems.settle()
    return checked


def _refuse(raw: Codes, wrong: Array, expected: str, column: str, problems: Problems) -> None:
    """Name the first of the cells that are `wrong` (m,), if any is."""
    for row in np.flatnonzero(wrong)[:1].tolist():
        got = described(raw.vocabulary[raw.codes[row]])
        problems.add(row, f"expected {expected}, got {got}", column)


def _rows(columns: RawColumns, encoding: Encoding) -> predictor.Rows:
    """The columns, or for a model of numbers alone the matrix that stands in their place: an array without names, or
    each number of a single vector by itself."""
    parts = [raw for raw in columns.values() if not isinstance(raw, Codes)]
    schema = names(encoding)
    scattered = is_vector(encoding) and all(part.ndim == 1 for part in parts)
    nameless = len(parts) == 1 and parts[0].ndim == 2 and not columns.keys() >= set(schema)
    if encoding.inputs is None or len(parts) < len(columns) or not (scattered or nameless):
        return columns
    matrix = np.column_stack(parts)
    return matrix if matrix.shape[1] == encoding.inputs else columns
