"""A training spec for data of a given size, for whatever was not said."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from core.state import TrainingSpec

STEPS = 4000  # of a run on little data; on much data the least number of epochs decides
EPOCHS = (20, 200)
WAIT = 1000  # steps without a better validation loss; little data has a noisy one
PATIENCE = (10, 50)
LEAST_L2 = 2e-4  # of a network, which can learn many rows by heart: the lowest validation loss on MNIST


def resolve(
    *, rows: int, features: int, classes: int, hidden: bool, given: Mapping[str, Any] | None = None
) -> TrainingSpec:
    """The spec for `rows` training rows; hidden: a ReLU network, else softmax regression.

    given: fields of TrainingSpec that were said; they win, but hidden_layer_sizes is left out without
    `hidden`. Raises ValueError for an unknown field or a value out of its range.
    """
    given = dict(given or {})
    unknown = sorted(given.keys() - {field.name for field in fields(TrainingSpec)})
    if unknown:
        raise ValueError(f"unknown hyperparameters: {', '.join(unknown)}")
    given["hidden_layer_sizes"] = tuple(given.get("hidden_layer_sizes", (128,))) if hidden else ()
    batch_size = given.get("batch_size", _batch_size(rows, classes))
    steps = -(-rows // (batch_size or rows))
    chosen = {
        "batch_size": batch_size,
        "learning_rate": _learning_rate(given.get("optimizer", "adam"), features, hidden),
        "max_epochs": min(max(STEPS // steps, EPOCHS[0]), EPOCHS[1]),
        "patience": min(max(WAIT // steps, PATIENCE[0]), PATIENCE[1]),
        "l2": max(1 / rows, LEAST_L2)
        if hidden
        else 0.1 / rows,  # a prior on the weights, which rows outweigh
        "schedule": "cosine",
    }
    return TrainingSpec(**{**chosen, **given})


def _batch_size(rows: int, classes: int) -> int:
    """A power of two near rows/64, or near two rows for each class; from 16 to 256."""
    return min(max(1 << max(rows // 64, 2 * classes, 1).bit_length() - 1, 16), 256)


def _learning_rate(optimizer: str, features: int, hidden: bool) -> float:
    """Smaller for many features, which move the logits together.

    With features of spread 1 the loss of softmax regression curves by at most ½(features + 1) (Böhning 1992),
    and below 4/(features + 1) gradient descent goes down at every step: half of it leaves room.
    """
    if optimizer == "adam":
        rate, few = (2e-3, 1000) if hidden else (1e-2, 100)
        return rate * math.sqrt(min(1.0, few / features))
    return min(0.5 if optimizer == "gradient_descent" else 0.05, 2 / (features + 1))
