"""A training spec for data of a given size, for whatever was not said."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from core.state import TrainingSpec


@dataclass(frozen=True, kw_only=True)
class Effort:
    """steps: of a run on little data, within these epochs; wait: steps without a lower validation loss, within
    these epochs (little data has a noisy one); batch: rows of a minibatch, at least."""

    steps: int
    epochs: tuple[int, int]
    wait: int
    patience: tuple[int, int]
    batch: int


ALONE = Effort(steps=4000, epochs=(20, 200), wait=1000, patience=(10, 50), batch=16)
MEMBER = Effort(steps=1500, epochs=(20, 100), wait=400, patience=(8, 25), batch=32)
PATH = (0.003, 300.0)  # of 1/(l2 · rows) in softmax regression, from a strong penalty to hardly any
MOVES = 200  # of lbfgs for one penalty
FINE, COARSE, MANY = 10**0.5, 10.0, 5000  # the ratio of two neighbours, and the rows from which it is coarse
FOLDS = ((600, 10), (10**9, 5))  # rows up to which there are so many members
LARGEST = 4_000_000  # rows × (features + classes) beyond which one network is trained, and no committee
LEAST_L2 = 2e-4  # of a network, which can learn many rows by heart: the lowest validation loss on MNIST


def resolve(
    *,
    rows: int,
    features: int,
    classes: int,
    hidden: bool,
    given: Mapping[str, Any] | None = None,
    effort: Effort = ALONE,
) -> TrainingSpec:
    """The spec for `rows` training rows; hidden: a ReLU network, else softmax regression.

    effort: ALONE, or MEMBER for each of a committee.
    given: fields of TrainingSpec that were said; they win, but hidden_layer_sizes is left out without
    `hidden`. Raises ValueError for an unknown field or a value out of its range.
    """
    given = dict(given or {})
    unknown = sorted(given.keys() - {field.name for field in fields(TrainingSpec)})
    if unknown:
        raise ValueError(f"unknown hyperparameters: {', '.join(unknown)}")
    given["hidden_layer_sizes"] = tuple(given.get("hidden_layer_sizes", (128,))) if hidden else ()
    batch_size = given.get("batch_size", _batch_size(rows, classes, effort.batch))
    steps = -(-rows // (batch_size or rows))
    chosen = {
        "batch_size": batch_size,
        "learning_rate": _learning_rate(given.get("optimizer", "adam"), features, hidden),
        "max_epochs": min(max(effort.steps // steps, effort.epochs[0]), effort.epochs[1]),
        "patience": min(max(effort.wait // steps, effort.patience[0]), effort.patience[1]),
        "l2": max(1 / rows, LEAST_L2)
        if hidden
        else 0.1 / rows,  # a prior on the weights, which rows outweigh
        "schedule": "cosine",
    }
    return TrainingSpec(**{**chosen, **given})


def candidate(
    *,
    rows: int,
    features: int,
    classes: int,
    hidden: bool,
    members: int = 1,
    given: Mapping[str, Any] | None = None,
) -> tuple[TrainingSpec, ...]:
    """The path of specs that the members of a candidate go: of one, except for softmax regression if neither its
    optimizer nor its penalty was said. Other arguments as for `resolve`."""
    said = dict(given or {})
    effort = ALONE if members == 1 else MEMBER
    if hidden or "optimizer" in said:
        one = resolve(rows=rows, features=features, classes=classes, hidden=hidden, given=said, effort=effort)
        return (one,)
    spec = resolve(
        rows=rows,
        features=features,
        classes=classes,
        hidden=False,
        given={"max_epochs": MOVES, **said, "optimizer": "lbfgs", "batch_size": None},
    )
    return (spec,) if "l2" in said else path(spec, rows=rows)


def folds(*, rows: int, features: int, classes: int) -> int:
    """How many members a committee has: more where rows are few, 1 where training takes long."""
    if rows * (features + classes) > LARGEST:
        return 1
    return next(count for most, count in FOLDS if rows <= most)


def path(spec: TrainingSpec, *, rows: int) -> tuple[TrainingSpec, ...]:
    """The specs with ever weaker penalties that softmax regression goes through, in place of spec.l2."""
    ratio = FINE if rows <= MANY else COARSE
    steps = round(math.log(PATH[1] / PATH[0], ratio))
    return tuple(replace(spec, l2=1 / (PATH[0] * ratio**step * rows)) for step in range(steps + 1))


def _batch_size(rows: int, classes: int, least: int) -> int:
    """A power of two near rows/64, or near two rows for each class; from `least` to 256."""
    return min(max(1 << max(rows // 64, 2 * classes, 1).bit_length() - 1, least), 256)


def _learning_rate(optimizer: str, features: int, hidden: bool) -> float:
    """Smaller for many features, which move the logits together.

    With features of spread 1 the loss of softmax regression curves by at most ½(features + 1) (Böhning 1992),
    and below 4/(features + 1) gradient descent goes down at every step: half of it leaves room.
    """
    if optimizer == "adam":
        rate, few = (2e-3, 1000) if hidden else (1e-2, 100)
        return rate * math.sqrt(min(1.0, few / features))
    return min(0.5 if optimizer == "gradient_descent" else 0.05, 2 / (features + 1))
