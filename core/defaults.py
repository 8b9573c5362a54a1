"""A training spec for data of a given size, for whatever was not said."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from core.state import TrainingSpec


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a run is given, by itself or as a member of a committee.

    members: of the committee, 1 for none; steps: of a run on little data, within these epochs; wait: steps
    without a lower validation loss, within these epochs (little data has a noisy one); batch: rows of a
    minibatch, at least; least_l2: of a network by itself, which can learn many rows by heart (the lowest
    validation loss on MNIST; in a committee, the others average that out).
    """

    members: int
    steps: int
    epochs: tuple[int, int]
    wait: int
    patience: tuple[int, int]
    batch: int
    least_l2: float


ALONE = Effort(members=1, steps=4000, epochs=(20, 200), wait=1000, patience=(10, 50), batch=16, least_l2=2e-4)
MEMBER = Effort(members=5, steps=1500, epochs=(60, 100), wait=400, patience=(10, 25), batch=32, least_l2=0.0)
UNITS = 1280  # hidden units of a committee, and the most weights on them before there are fewer
WEIGHTS = 2_000_000
SINGLE = (128, 512)  # hidden units of a network by itself; where data is too large for a committee, up to
PLENTY = 10_000  # rows beyond which a committee may learn for twice as many epochs: it is not soon done
STEPWISE = ("learning_rate", "schedule", "momentum", "batch_size")
MOST_MOVED = 2_000_000  # weights of softmax regression that lbfgs is for: it keeps seventeen vectors of them
MOVES = 100  # of lbfgs for one penalty, at most
FEW_MOVES = 15  # that one needs from where the penalty before it ended, or about so many
# 1/(l2 · rows) in softmax regression, from a strong penalty to a weak one, and the ratio of two neighbours
FINE = (0.003, 300.0, 10**0.5)
COARSE = (0.03, 3.0, 10.0)
MANY = 5000  # rows, from which the path is coarse
FOLDS = ((600, 10), (10**9, 5))  # rows up to which there are so many members
# rows up to which numeric columns are cut into so many bins; and how few are worth it
BINS, LEAST_BINS = ((500, 3), (1000, 4), (2500, 8), (10**9, 16)), 3
MOST_CUT = 6_000_000  # rows × features with bins, beyond which there are fewer, down to LEAST_BINS, or none
LARGEST = 4_000_000  # rows × (features + classes) beyond which one network is trained, and no committee
MOST_SHARED = 200_000  # weights of softmax regression, likewise
LONG = 2_500_000  # rows × features × classes beyond which the path of penalties is coarse as well
LONGEST = 50_000_000  # rows × features × classes beyond which softmax regression has one penalty only


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
    default = (_units(effort.members, rows, features, classes),)
    given["hidden_layer_sizes"] = tuple(given.get("hidden_layer_sizes", default)) if hidden else ()
    batch_size = given.get("batch_size", _batch_size(rows, classes, effort.batch))
    taken = max(batch_size or rows, 1)  # a size out of its range is for the spec to refuse
    steps = -(-rows // taken)
    least = effort.epochs[0] * (2 if effort.members > 1 and rows > PLENTY else 1)
    chosen = {
        "batch_size": batch_size,
        "learning_rate": _learning_rate(given.get("optimizer", "adam"), features, hidden)
        * (_haste(taken, effort.batch) if hidden and effort.members > 1 else 1.0),
        "max_epochs": max(min(effort.steps // steps, effort.epochs[1]), least),
        "patience": min(max(effort.wait // steps, effort.patience[0]), effort.patience[1]),
        # a prior on the weights, which rows outweigh
        "l2": max(1 / rows, effort.least_l2) if hidden else 0.1 / rows,
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
    """The path of specs that the members of a candidate go.

    Softmax regression goes to its optimum by lbfgs, down a path of penalties unless l2 was said; but where
    something was said of how to take steps, or its weights are very many, it takes them, like a network.
    members: of the committee, 1 for none; other arguments as for `resolve`.
    """
    said = dict(given or {})
    effort = ALONE if members == 1 else replace(MEMBER, members=members)
    stepwise = said.get("optimizer", "lbfgs") != "lbfgs" or any(name in said for name in STEPWISE)
    if hidden or stepwise or features * classes > MOST_MOVED:
        one = resolve(rows=rows, features=features, classes=classes, hidden=hidden, given=said, effort=effort)
        return (one,)
    spec = resolve(
        rows=rows,
        features=features,
        classes=classes,
        hidden=False,
        given={"max_epochs": MOVES, **said, "optimizer": "lbfgs", "batch_size": None},
    )
    if "l2" in said:
        return (spec,)
    stages = path(spec, rows=rows, features=features, classes=classes)
    if "max_epochs" not in said:
        return stages
    share = said["max_epochs"] // len(stages)
    return tuple(replace(each, max_epochs=share) for each in stages) if share >= FEW_MOVES else (spec,)


def folds(*, rows: int, features: int, classes: int) -> int:
    """How many members a committee has: more where rows are few, 1 where training takes long."""
    if rows * (features + classes) > LARGEST or features * classes > MOST_SHARED:
        return 1
    return next(count for most, count in FOLDS if rows <= most)


def bins(*, rows: int, features: int, numbers: int, classes: int) -> int:
    """Into how many bins numeric columns may well be cut (core/knots.py), 0 for none.

    features: without bins; numbers: how many of them are numeric columns. More where rows are many; fewer where
    training would take long, or none.
    """
    count = next(count for most, count in BINS if rows <= most) if numbers else 0
    while count >= LEAST_BINS:
        wide = features + count * numbers
        if rows * wide <= min(MOST_CUT, LONGEST // classes) and wide * classes <= MOST_SHARED:
            return count
        count //= 2
    return 0


def path(spec: TrainingSpec, *, rows: int, features: int, classes: int) -> tuple[TrainingSpec, ...]:
    """The specs with ever weaker penalties that softmax regression goes through, in place of spec.l2.

    It is coarse where rows outweigh the penalty, and a single one where every pass over them takes long.
    """
    work = rows * features * classes
    first, last, ratio = FINE if rows <= MANY and work <= LONG else COARSE
    if work > LONGEST:
        first = last = 1.0
    steps = round(math.log(last / first, ratio))
    return tuple(replace(spec, l2=1 / (first * ratio**step * rows)) for step in range(steps + 1))


def _units(members: int, rows: int, features: int, classes: int) -> int:
    """Hidden units of each member: those of the committee are shared out.

    Alone on larger data it has a power of two, so that its epochs take about the time of the largest committee's.
    """
    units = min(UNITS, WEIGHTS // (features + classes))
    if members > 1:
        return max(units // members, 16)
    cells, (least, most) = rows * (features + classes), SINGLE
    if cells <= LARGEST:
        return least
    same = LARGEST * UNITS * MEMBER.epochs[0] // (ALONE.epochs[0] * cells)
    return min(max(_power_of_two(min(units, same)), least), most)


def _batch_size(rows: int, classes: int, least: int) -> int:
    """A power of two near rows/64, or near two rows for each class; from `least` to 256."""
    return min(max(_power_of_two(max(rows // 64, 2 * classes)), least), 256)


def _power_of_two(number: int) -> int:
    """The largest that is no larger; 1 for 0."""
    return 1 << max(number, 1).bit_length() - 1


def _haste(batch_size: int, least: int) -> float:
    """How much faster a member learns, the larger its minibatches: what one oversteps, the others average out."""
    return 1.25 * math.cbrt(min(batch_size / least, 8.0))


def _learning_rate(optimizer: str, features: int, hidden: bool) -> float:
    """Smaller for many features, which move the logits together.

    With features of spread 1 the loss of softmax regression curves by at most ½(features + 1) (Böhning 1992),
    and below 4/(features + 1) gradient descent goes down at every step: half of it leaves room.
    """
    if optimizer == "adam":
        rate, few = (2e-3, 1000) if hidden else (1e-2, 100)
        return rate * math.sqrt(min(1.0, few / features))
    return min(0.5 if optimizer == "gradient_descent" else 0.05, 2 / (features + 1))
