"""What a job's candidates come to: one is chosen, calibrated, and made into one network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.jobs import Algorithm, plan
from app.training.checkpoints import Finished
from app.training.material import Material
from core import conclusion, training
from core.arrays import Array
from core.conclusion import Conclusion
from core.losses import softmax_loss
from core.merging import levelled, merge, shifted
from core.network import Params
from core.training import TrainingSpec


class Trained(NamedTuple):
    """A candidate whose training is over, and the rows, as they were encoded for it."""

    candidate: Algorithm
    material: Material
    finished: Finished

    @property
    def called(self) -> str:
        """Its name for users."""
        bins = self.material.given["bins"]
        return f"{self.candidate} with {bins} bins" if bins else self.candidate


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """The candidate that is published.

    parameters: the one network that it became; hyperparameters: as resolved; losses: of each held-out row,
    calibrated; kept: the members of a committee of softmax regressions, which that network no longer holds;
    conclusion: what is known of it; candidates: all of them, this one too, with what is known of each.
    """

    chosen: Trained
    parameters: Params
    hyperparameters: Mapping[str, Any]
    losses: Array
    kept: tuple[Params, ...]
    conclusion: Conclusion
    candidates: Sequence[tuple[Trained, Conclusion]]

    @property
    def material(self) -> Material:
        """The rows, as they were encoded for it."""
        return self.chosen.material


def conclude(trained: Sequence[Trained], *, look: Callable[[], None]) -> Outcome:
    """Keep the candidate with the lowest calibrated log loss on held-out rows.

    look: called every now and then while softmax regression goes to its optimum; it may raise.
    """
    conclusions = [
        conclusion.conclude(
            levelled(each.finished.members), each.material.held, class_weights=each.material.class_weights
        )
        for each in trained
    ]
    place = conclusion.lowest(conclusions)
    chosen, done = trained[place], conclusions[place]
    name, material, finished = chosen
    members, stage = finished.members, finished.stage
    spec = plan.path(name, material.given, material.shape)[stage]
    linear = len(members) > 1 and not spec.hidden_layer_sizes
    return Outcome(
        chosen=chosen,
        parameters=shifted(_whole(spec, members, material, look), -done.offset),
        hyperparameters=plan.resolved(name, material.given, material.shape, stage=stage),
        losses=softmax_loss(done.logits / done.temperature, material.held.labels),
        kept=tuple(shifted(member, -done.offset) for member in members) if linear else (),
        conclusion=done,
        candidates=list(zip(trained, conclusions, strict=True)),
    )


def _whole(
    spec: TrainingSpec, members: Sequence[Params], material: Material, look: Callable[[], None]
) -> Params:
    """The members as one network; lbfgs goes from there to the optimum on all rows."""
    merged = merge(members)
    if spec.optimizer != "lbfgs" or len(members) == 1:
        return merged
    state = training.begin(spec, *material.ends, parameters=merged)
    for epoch in training.fit(spec, material.held.examples, None, state):
        look()
        state = epoch.state
    return state.parameters
