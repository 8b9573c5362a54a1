"""Predictions: rows in, probabilities out; the one room under every route that answers with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.errors import Invalid, ModelBroken, Problem, TooLarge
from app.repository.cache import ModelCache
from app.repository.model import Class, Model
from core import encoding as encodings
from core import explanation, losses, network
from core.encoding import RawColumns, VectorColumn

Array: TypeAlias = NDArray[Any]
Rows: TypeAlias = Array | RawColumns
"""(m, inputs) real numbers, NaN for missing, of a model that takes a plain matrix; or columns by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Answers for m rows: probabilities (m, c) float32, rows summing to 1, and winners (m,) class numbers."""

    model: str
    version: int
    classes: tuple[Class, ...]
    probabilities: Array

    @cached_property
    def winners(self) -> Array:
        """The likeliest class of every row, by number; the first of those that are equally likely."""
        winners: Array = self.probabilities.argmax(axis=1)
        return winners

    @property
    def labels(self) -> list[Class]:
        """The winning class of every row."""
        return [self.classes[winner] for winner in self.winners.tolist()]


@dataclass(frozen=True, kw_only=True, eq=False)
class Top:
    """The k likeliest classes of every row, likeliest first: class numbers and probabilities, both (m, k)."""

    classes: Array
    probabilities: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """What every column added to the logit of each row's winning class, against the average training row.

    contributions: by column name (m,), for a vector column (m, d). They sum, over all columns, to the logit
    of the winner less what it is for the zero vector of standardised features.
    """

    winners: Array
    contributions: Mapping[str, Array]


class Predictor:
    """Predictions by the models of a cache; at most `max_explain_rows` rows are explained at once."""

    def __init__(self, cache: ModelCache, *, max_explain_rows: int = 1000) -> None:
        self._cache = cache
        self._max_explain_rows = max_explain_rows

    def model(self, ref: str) -> Model:
        """The model that `ref` means; may wait for the disk the first time. Raises as `ModelCache.get`."""
        return self._cache.get(ref)

    def model_at_hand(self, ref: str) -> Model | None:
        """The same if that takes no waiting, else None."""
        return self._cache.peek(ref)

    def predict(self, model: Model, rows: Rows) -> Prediction:
        """Probabilities for raw rows; `Invalid` if they do not fit the model's schema."""
        return predict_encoded(model, encode(model, rows))

    def explain(self, model: Model, rows: Rows) -> tuple[Prediction, Explanation]:
        """The prediction for raw rows, and what each column added to it. Raises as `contributions`."""
        self._check_bound(_count(rows))
        encoded = encode(model, rows)
        prediction = predict_encoded(model, encoded)
        shares = self.contributions(model, encoded, prediction.winners)
        return prediction, Explanation(winners=prediction.winners, contributions=by_column(model, shares))

    def contributions(self, model: Model, encoded: Array, winners: Array) -> Array:
        """What each encoded feature added to the logit of each row's winner: (m, width) float64.

        Against the zero vector, which is the training mean of every standardised feature. `TooLarge` for more
        than `max_explain_rows` rows.
        """
        self._check_bound(len(encoded))
        return explanation.contributions(model.parameters, encoded, np.zeros(encoded.shape[1]), winners)

    def _check_bound(self, rows: int) -> None:
        if rows > self._max_explain_rows:
            raise TooLarge(
                what=f"A prediction of {rows} rows with explanations",
                limit=self._max_explain_rows,
                unit="rows",
                setting="max_explain_rows",
            )


def encode(model: Model, rows: Rows) -> Array:
    """The (m, width) float32 matrix that the network sees; `Invalid` if rows do not fit the schema."""
    try:
        if isinstance(rows, Mapping):
            return encodings.transform(model.encoding, rows)
        return encodings.transform_matrix(model.encoding, rows)
    except ValueError as error:
        raise Invalid(Problem(message=str(error))) from error


def predict_encoded(model: Model, encoded: Array) -> Prediction:
    """Probabilities softmax(logits / temperature) for (m, width) encoded features, m ≥ 0."""
    probabilities = _probabilities(model, encoded)
    return Prediction(
        model=model.name,
        version=model.version,
        classes=model.classes,
        probabilities=probabilities,
    )


def top_k(prediction: Prediction, k: int) -> Top:
    """The k likeliest classes (or all), equal ones in the order of classes; `Invalid` for k < 1."""
    if k < 1:
        raise Invalid(Problem(message=f"top_k must be a whole number from 1, got {k}.", location="top_k"))
    order = np.argsort(-prediction.probabilities, axis=1, kind="stable")[:, :k]
    return Top(classes=order, probabilities=np.take_along_axis(prediction.probabilities, order, axis=1))


def by_column(model: Model, shares: Array) -> dict[str, Array]:
    """Contributions of encoded features (m, width), gathered: (m,) by column, (m, d) of a vector column."""
    columns = zip(model.encoding.columns, model.encoding.slices, strict=True)
    return {
        column.name: shares[:, part] if isinstance(column, VectorColumn) else shares[:, part].sum(axis=1)
        for column, part in columns
    }


def warm(model: Model) -> None:
    """Predicts the average training row, so that BLAS and buffers are ready; `ModelBroken` if that fails."""
    try:
        predict_encoded(model, np.zeros((1, model.encoding.width), np.float32))
    except Invalid as error:
        raise ModelBroken(
            name=model.name, version=model.version, reason="its answer to an average row is not a number"
        ) from error


def _probabilities(model: Model, encoded: Array) -> Array:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        logits = network.logits(model.parameters, encoded)
        if model.temperature != 1.0:
            logits /= model.temperature
        probabilities = losses.softmax(logits).astype(np.float32, copy=False)
        finite = np.isfinite(np.add.reduce(probabilities, axis=None))
    if not finite:
        raise _overflowed(probabilities)
    return probabilities


def _overflowed(probabilities: Array) -> Invalid:
    rows = np.flatnonzero(~np.isfinite(probabilities).all(axis=1)).tolist()
    message = "The numbers in this row are too far from those the model was trained on for it to answer."
    return Invalid(*(Problem(message=message, row=row, location=f"instances[{row}]") for row in rows))


def _count(rows: Rows) -> int:
    if not isinstance(rows, Mapping):
        return len(rows)
    return max((len(c.codes) if isinstance(c, encodings.Codes) else len(c) for c in rows.values()), default=0)
