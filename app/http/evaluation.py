"""A version judged on labelled data that it has not seen."""

from typing import Any

import numpy as np

from app.datasets.store import Dataset, DatasetStore
from app.errors import Invalid, Problem
from app.repository.model import Model, class_places
from app.serving import predictor
from core.losses import log_softmax
from core.metrics import evaluate as judge
from core.network import logits


def evaluate(model: Model, datasets: DatasetStore, dataset: Dataset) -> dict[str, Any]:
    """The card's metrics on a stored dataset. Raises: Invalid, for labels or columns that the model lacks."""
    labels = [each.label for each in dataset.classes]
    found = class_places(model.classes, labels)
    unknown = [label for label, place in zip(labels, found, strict=True) if place is None]
    if unknown:
        classes = ", ".join(repr(label) for label in model.classes[:10])
        message = f"the model has no class {unknown[0]!r}; it has {classes}"
        raise Invalid(Problem(message=message, location="labels"))
    places = np.array(found)
    opened = datasets.open(dataset.id)
    z = logits(model.parameters, predictor.encode(model, opened.columns()))
    metrics = judge(log_softmax(z / model.temperature), places[opened.labels])
    return {
        "model": model.name,
        "version": model.version,
        "rows": dataset.rows,
        "metrics": metrics.to_dict(),
    }
