"""The training loop: a generator of epochs, from which progress, cancelling and checkpoints all hang.

A run is a function of (data, spec, seed): the rows of epoch e (1, 2, …) are shuffled by
default_rng([seed, e]), so that going on from any yielded state ends in the same bits.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import network
from core.arrays import Array, class_numbers, matrix, row_numbers, row_weights
from core.network import Workspace
from core.run import Diverged, Run
from core.state import (
    Best,
    Examples,
    RowSource,
    TrainingSpec,
    TrainingState,
    begin,
    check,
    from_arrays,
    to_arrays,
)
from core.stops import go_on
from core.work import judged_rows

__all__ = [
    "Best",
    "Diverged",
    "Epoch",
    "Examples",
    "TrainingSpec",
    "TrainingState",
    "begin",
    "early_stopping",
    "fit",
    "from_arrays",
    "to_arrays",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Epoch:
    """What is known after an epoch, or after part of one if fraction < 1.

    number: 1-based. train_loss: the mean of the minibatches' costs J (l2 and class weights within), each
    weighted by its rows and taken just before its step; with lbfgs, J after the move. validation_loss: without
    l2, after the epoch. learning_rate: of the last step; with lbfgs, which has none, the spec's. rows: seen since
    the last yield. state: where to go on from; inside a long step, or while the epoch is judged, it is that of
    the yield before, and train_loss is NaN before the first step.
    """

    number: int
    fraction: float
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    rows: int
    state: TrainingState


def fit(
    spec: TrainingSpec,
    train: Examples | tuple[Any, Any],
    validation: Examples | tuple[Any, Any] | None,
    state: TrainingState,
    *,
    steps_per_yield: int | None = None,
    rows: Array | None = None,
) -> Iterator[Epoch]:
    """Go on from `state` up to spec.max_epochs, an Epoch at a time, or a part if steps_per_yield is said.

    With steps_per_yield there is also news between the pieces of a step too long to wait for, and of judging.

    train, validation: Examples, or a plain pair of x and labels.
    rows: (n,) integers, the numbers of the rows of `train` to learn from, ascending; None for all. Nothing is copied.
    The last minibatch may be smaller; without batch_size a step takes all rows, in bounded memory.
    Patience is not minded here: see `early_stopping`. Raises ValueError for a state that is none of this spec,
    for examples that do not fit it and for other rows; Diverged as soon as a loss or a parameter is not finite.
    """
    if steps_per_yield is not None and steps_per_yield < 1:
        raise ValueError(f"steps_per_yield must be at least 1 or None, got {steps_per_yield}")
    check(spec, state)
    sizes, dtype = network.sizes(state.parameters), spec.dtype
    learned = _checked(train, sizes[0], sizes[-1], dtype)
    judged = None if validation is None else _checked(validation, sizes[0], sizes[-1], dtype)
    if rows is not None:
        rows = row_numbers(rows, len(learned.labels))
    return _epochs(Run(spec, learned, state, rows), judged, steps_per_yield)


def early_stopping(
    epochs: Iterable[Epoch], patience: int | None, *, state: TrainingState | None = None
) -> Iterator[Epoch]:
    """The epochs up to the one that is `patience` epochs after the best; all of them if patience is None.

    state: the one that `epochs` goes on from; if its patience is spent, there are none.
    """
    if state is not None and _spent(state, patience):
        return
    for epoch in epochs:
        yield epoch
        if _spent(epoch.state, patience):
            return


def _spent(state: TrainingState, patience: int | None) -> bool:
    """At the end of an epoch only, as in an uninterrupted run."""
    waited = 0 if state.best is None else state.epoch - state.best.epoch
    return patience is not None and waited >= patience


def _epochs(run: Run, validation: Examples | None, steps_per_yield: int | None) -> Iterator[Epoch]:
    workspace = Workspace(run.sizes, _judged_at_once(run, validation), run.spec.dtype)
    state, told = run.snapshot(), run.seen
    while not run.finished:
        loss, accuracy = None, None
        for seen in run.advance(steps_per_yield):
            if steps_per_yield is not None:
                done = min(seen, run.rows - 1)  # an epoch is not complete until it is judged
                yield _part(run, done, told, state)
                told = done
        number, seen, train_loss = run.epoch + 1, run.seen, run.loss_sum / run.seen
        if seen == run.rows:
            if validation is not None:
                judging = run.judge(workspace, validation)
                while (judged := go_on(judging)[1]) is None:
                    if steps_per_yield is not None:
                        yield _part(run, run.rows - 1, told, state)
                        told = run.rows - 1
                loss, accuracy = judged
            run.complete(loss)
        state = run.snapshot()
        yield Epoch(
            number=number,
            fraction=seen / run.rows,
            train_loss=train_loss,
            validation_loss=loss,
            validation_accuracy=accuracy,
            learning_rate=run.learning_rate,
            rows=seen - told,
            state=state,
        )
        told = run.seen


def _part(run: Run, seen: int, told: int, state: TrainingState) -> Epoch:
    """News from inside a step, or from judging: what can be gone on from is still the state of the last yield."""
    return Epoch(
        number=run.epoch + 1,
        fraction=seen / run.rows,
        train_loss=run.loss_sum / run.seen if run.seen else math.nan,
        validation_loss=None,
        validation_accuracy=None,
        learning_rate=run.learning_rate,
        rows=seen - told,
        state=state,
    )


def _judged_at_once(run: Run, validation: Examples | None) -> int:
    most = judged_rows(run.sizes)
    return most if validation is None else min(most, len(validation.x))


def _checked(examples: Examples | tuple[Any, Any], features: int, classes: int, dtype: str) -> Examples:
    rows, labels, weights = Examples(*examples)
    x = _rows_like(rows, features, dtype)
    if not len(x):
        raise ValueError("examples must have at least one row, got none")
    return Examples(x, class_numbers(labels, len(x), classes), row_weights(weights, len(x), dtype))


def _rows_like(x: Array | RowSource, features: int, dtype: str) -> Array | RowSource:
    """Rows in memory as they are best multiplied; others if they are of that width and dtype."""
    if isinstance(x, RowSource):
        if x.shape[1] != features or x.dtype != dtype:
            raise ValueError(
                f"x must have shape (rows, {features}) and be {dtype}, got {x.shape} and {x.dtype}"
            )
        return x
    return np.ascontiguousarray(matrix(x, features), dtype)
