"""Predictions: rows in, probabilities out; the one room under every route that answers with them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.errors import Invalid, ModelBroken, Problem, TooLarge
from app.repository.cache import ModelCache
from app.repository.model import Class, Model
from core import encoding as encodings
from core import explanation, inference, losses, network
from core.columns import take
from core.encoding import RawColumns
from core.explanation import Explanation

Array: TypeAlias = NDArray[Any]
Rows: TypeAlias = Array | RawColumns
"""(m, inputs) real numbers, NaN for missing, of a model that takes a plain matrix; or columns by name."""


class Prediction(NamedTuple):
    """Answers for m rows: probabilities (m, c) float32, rows summing to 1."""

    model: str
    version: int
    classes: tuple[Class, ...]
    probabilities: Array

    @property
    def winners(self) -> Array:
        """The likeliest class of every row, by number; the first of those that are equally likely."""
        winners: Array = self.probabilities.argmax(axis=1)
        return winners


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

    def explain(self, model: Model, rows: Rows, prediction: Prediction) -> Explanation:
        """What each encoded feature added to the logit of each row's winning class: (m, width) contributions.

        Against a row of the training mean of every number, and of no category.
        `TooLarge` for more than `max_explain_rows` rows.
        """
        self._check_bound(len(prediction.probabilities))
        return explanation.explain(
            model.parameters, encode(model, rows), model.encoding.origin, prediction.winners
        )

    def _check_bound(self, rows: int) -> None:
        if rows > self._max_explain_rows:
            raise TooLarge(
                what=f"A prediction of {rows} rows with explanations",
                limit=self._max_explain_rows,
                unit="rows",
                setting="max_explain_rows",
            )


def some(rows: Rows, which: slice) -> Rows:
    """A slice of the rows."""
    return rows[which] if isinstance(rows, np.ndarray) else take(rows, which)


def encode(model: Model, rows: Rows) -> Array:
    """The (m, width) float32 matrix that the network sees; `Invalid` if rows do not fit the schema."""
    try:
        if isinstance(rows, Mapping):
            return encodings.transform(model.encoding, rows)
        return encodings.transform_matrix(model.encoding, rows)
    except ValueError as error:
        raise Invalid(Problem(message=str(error))) from error


def predict(model: Model, rows: Rows, check: Callable[[], object] | None = None) -> Prediction:
    """Probabilities softmax(logits / temperature); `Invalid` for rows that do not fit the model's schema.

    check: called before rows are encoded that may hold an infinity; raises for one.
    """
    found = None
    if model.folded is not None and isinstance(rows, np.ndarray):
        found = inference.probabilities_of_raw(model.folded, rows, model.temperature)
    if found is None:
        if check is not None:
            check()
        found = _probabilities(model, encode(model, rows))
    return Prediction(model.name, model.version, model.classes, found)


def log_probabilities(model: Model, rows: Rows) -> Array:
    """(m, c) log softmax(logits / temperature), where a small probability is no 0; `Invalid` as `predict`."""
    with np.errstate(all="ignore"):
        found = losses.log_softmax(network.logits(model.parameters, encode(model, rows)) / model.temperature)
    _refuse(found)
    return found


def warm(model: Model) -> None:
    """Predicts the average training row, so that BLAS and buffers are ready; `ModelBroken` if that fails."""
    model.profile  # noqa: B018 - read off the card once, and not while somebody waits for an answer
    try:
        _probabilities(model, model.encoding.origin[None].astype(np.float32))
    except Invalid as error:
        raise ModelBroken(
            name=model.name, version=model.version, reason="its answer to an average row is not a number"
        ) from error


def _probabilities(model: Model, encoded: Array) -> Array:
    found = inference.probabilities(model.parameters, encoded, model.temperature)
    if found is not None:
        return found
    with np.errstate(all="ignore"):
        each = losses.softmax(network.logits(model.parameters, encoded) / model.temperature)
    _refuse(each)
    return each


def _refuse(answers: Array) -> None:
    """Raises `Invalid` if any row of the (m, c) answers has something in it that is not finite."""
    message = "The numbers in this row are too far from those the model was trained on for it to answer."
    rows = np.flatnonzero(~np.isfinite(answers).all(axis=1)).tolist()
    if rows:
        raise Invalid(*(Problem(message=message, row=row, location=f"instances[{row}]") for row in rows))
