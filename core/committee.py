"""A committee: K networks that learn side by side, each judged on the rows that it alone has not seen.

Together they are judged on every row, and stop together where that loss is lowest. Their mean is again one
network (core/merging.py). Softmax regressions by lbfgs go down a path of ever weaker penalties, each from where
the last one ended, and are judged where they are at their optimum.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from core import losses, network, training
from core.arrays import Array
from core.calibration import cautious_loss
from core.committee_state import Choice, CommitteeState, begin, from_arrays, member_spec, to_arrays
from core.network import Params
from core.state import RowSource, is_finished
from core.stops import finish, go_on
from core.training import Examples, TrainingSpec
from core.work import judged_rows

__all__ = [
    "Choice",
    "CommitteeState",
    "Held",
    "Round",
    "begin",
    "fit",
    "fresh",
    "from_arrays",
    "held_out_logits",
    "member_spec",
    "to_arrays",
]


JUDGING = 0.999  # the fraction of an epoch that is done while it is judged


class Held(NamedTuple):
    """All examples, and the fold (m,) in which each is held out: −1 for never. members: one for each fold.

    Weights count by their ratios: over the rows that a member learns from, they get mean 1.
    """

    examples: Examples
    fold: Array
    members: int

    @property
    def rows(self) -> Array:
        """Numbers of the rows that some member has not seen."""
        return np.flatnonzero(self.fold >= 0)

    @property
    def labels(self) -> Array:
        """Of those rows."""
        return self.examples.labels[self.rows]


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """What is known after an epoch of all members, or after part of one if fraction < 1: as training.Epoch.

    train_loss: the mean over the members. validation_loss, validation_accuracy: of every held-out row, by the
    member that has not seen it. rows: seen by all members together since the last yield.
    """

    number: int
    fraction: float
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    rows: int
    state: CommitteeState


def fresh(spec: TrainingSpec, held: Held, classes: int) -> CommitteeState:
    """The state before the first step, in which a member has no weight on what it never hears of.

    A feature that is 0 in every row that a member learns from gives no gradient: it would keep the weights of chance,
    and speak by them once it is something else.
    """
    sizes, starts = (held.examples.x.shape[1], classes), [None] * held.members
    drawn = begin(spec, sizes, starts).members
    return begin(
        spec,
        sizes,
        [network.muted(each.parameters, on) for each, on in zip(drawn, _silent(held), strict=True)],
    )


def fit(
    path: Sequence[TrainingSpec], held: Held, state: CommitteeState, *, steps_per_yield: int | None = None
) -> Iterator[Round]:
    """Go on from `state` to the end: a Round for each epoch that all members have done, or for parts of it.

    path: specs that differ in l2 alone, one after the other. With lbfgs each stage is judged at its end, and one
    that is worse than the best is the last; with other optimizers every epoch is judged, and a stage ends
    `patience` epochs after the best. Raises Diverged, and ValueError for examples that do not fit the state.
    """
    while state.stage < len(path):
        for each in _stage(path[state.stage], held, state, steps_per_yield):
            yield each
            state = each.state
        state = _after(path, state)


def held_out_logits(members: Sequence[Params], held: Held) -> Array:
    """(len(held.rows), classes): the logits of each held-out row by the member that has not seen it, in the
    members' dtype. Raises ValueError for rows of another width."""
    return finish(_judging(members, held))


def _silent(held: Held) -> Array:
    """(members, features) whether a feature is 0 in every row that a member learns from."""
    x = held.examples.x
    heard = np.zeros((held.members + 1, x.shape[1]), bool)  # the last is fold −1, of rows that all learn from
    step = x.block_rows if isinstance(x, RowSource) else network.CHUNK
    for start in range(0, len(x), step):
        here, fold = x[start : start + step] != 0, held.fold[start : start + step]
        for number in np.unique(fold):
            heard[number] |= here[fold == number].any(axis=0)
    silent: Array = heard.sum(axis=0) == heard[: held.members]
    return silent


def _stage(spec: TrainingSpec, held: Held, state: CommitteeState, steps: int | None) -> Iterator[Round]:
    specs = [member_spec(spec, member) for member in range(len(state.members))]
    steps = None if steps is None else max(1, steps // len(specs))
    learned = [np.flatnonzero(held.fold != member) for member in range(len(specs))]
    runs = [
        training.fit(each, _even(held.examples, among), None, start, steps_per_yield=steps, rows=among)
        for each, among, start in zip(specs, learned, state.members, strict=True)
    ]
    while not _over(specs, state):
        rows, rate, told = 0, 0.0, state
        for member in range(state.turn, len(runs)):
            for epoch in runs[member]:
                rows, rate = rows + epoch.rows, epoch.learning_rate
                state = _stepped(state, member, epoch)
                if epoch.fraction == 1:
                    break
                yield _round(state, rows, rate, (member + epoch.fraction) / len(runs))
                rows, told = 0, state
            state = replace(state, turn=member + 1)
        state = replace(state, epoch=state.epoch + 1, turn=0)
        judging = _judging([each.parameters for each in state.members], held)
        while (z := go_on(judging)[1]) is None:
            if steps is not None:  # an epoch is not complete until it is judged
                yield _round(told, rows, rate, JUDGING)
                rows = 0
        loss = float(losses.softmax_loss(z.astype(np.float64), held.labels).mean())
        if spec.optimizer != "lbfgs" or _over(specs, state):
            state = _chosen(state, loss, cautious_loss(z, held.labels))
        yield _round(state, rows, rate, 1.0, loss, float(np.mean(z.argmax(axis=1) == held.labels)))


def _even(examples: Examples, rows: Array) -> Examples:
    """The examples, with weights of mean 1 over these rows."""
    weights = examples.weights
    return examples if weights is None else examples._replace(weights=weights / weights[rows].mean())


def _judging(members: Sequence[Params], held: Held) -> Generator[None, None, Array]:
    """`held_out_logits`, with a stop between pieces."""
    sizes = network.sizes(members[0])
    z = np.empty((len(held.fold), sizes[-1]), members[0][0].weight.dtype)
    step, done = judged_rows(sizes), 0
    for member, parameters in enumerate(members):
        rows = np.flatnonzero(held.fold == member)
        for start in range(0, len(rows), step):
            if done >= step:
                yield
                done = 0
            part = rows[start : start + step]
            z[part] = network.logits(parameters, held.examples.x[part])
            done += len(part)
    return z[held.rows]


def _over(specs: Sequence[TrainingSpec], state: CommitteeState) -> bool:
    """Whether this stage is at its end: every member is, or patience is spent at the end of an epoch."""
    if state.turn:
        return False
    if all(is_finished(s, m.epoch, m.updates, m.moments) for s, m in zip(specs, state.members, strict=True)):
        return True
    patience, best = specs[0].patience, state.best
    judged = best is not None and specs[0].optimizer != "lbfgs"
    return judged and patience is not None and state.epoch - best.epoch >= patience  # type: ignore[union-attr]


def _after(path: Sequence[TrainingSpec], state: CommitteeState) -> CommitteeState:
    """Into the next stage; past the last one, if this one is not the best so far."""
    stage = state.stage + 1
    if stage == len(path) or state.best is None or state.best.stage < state.stage:
        return replace(state, stage=len(path))
    members = tuple(
        training.begin(member_spec(path[stage], member), *_ends(each.parameters), parameters=each.parameters)
        for member, each in enumerate(state.members)
    )
    return replace(state, stage=stage, members=members)


def _ends(parameters: Params) -> tuple[int, int]:
    features, *_, classes = network.sizes(parameters)
    return features, classes


def _stepped(state: CommitteeState, member: int, epoch: training.Epoch) -> CommitteeState:
    members, train_losses = list(state.members), list(state.train_losses)
    members[member], train_losses[member] = epoch.state, epoch.train_loss
    return replace(state, members=tuple(members), train_losses=tuple(train_losses))


def _chosen(state: CommitteeState, loss: float, cautious: float) -> CommitteeState:
    """With the members of now as the choice, if there is none that is better."""
    if state.best is not None and state.best.cautious_loss <= cautious:
        return state
    members = tuple(each.parameters for each in state.members)
    return replace(state, best=Choice(state.epoch, state.stage, loss, cautious, members))


def _round(state: CommitteeState, rows: int, rate: float, fraction: float, *judged: Any) -> Round:
    loss, accuracy = judged or (None, None)
    return Round(
        number=state.epoch + (fraction < 1),
        fraction=fraction,
        train_loss=float(np.mean(state.train_losses)),
        validation_loss=loss,
        validation_accuracy=accuracy,
        learning_rate=rate,
        rows=rows,
        state=state,
    )
