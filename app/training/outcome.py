"""What a job's candidates come to: one is chosen, calibrated, and made into one network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.jobs import Algorithm, plan
from app.training.checkpoints import Finished
from app.training.material import Material
from core import conclusion, training
from core.arrays import Array
from core.conclusion import Conclusion
from core.losses import softmax_loss
from core.merging import levelled, merge, shifted
from core.network import Params
from core.stops import go_on
from core.training import TrainingSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """The candidate that is published.

    parameters: the one network that it became; hyperparameters: as resolved; losses: of each held-out row,
    calibrated; kept: the members of a committee of softmax regressions, which that network no longer holds;
    finished, conclusions: of every candidate.
    """

    chosen: Algorithm
    parameters: Params
    hyperparameters: Mapping[str, Any]
    losses: Array
    kept: tuple[Params, ...]
    finished: Mapping[Algorithm, Finished]
    conclusions: Mapping[Algorithm, Conclusion]

    @property
    def conclusion(self) -> Conclusion:
        """Of the candidate that is published."""
        return self.conclusions[self.chosen]


def conclude(
    finished: Mapping[Algorithm, Finished], material: Material, *, look: Callable[[], None]
) -> Outcome:
    """Keep the candidate with the lowest calibrated log loss on held-out rows.

    look: called every now and then; it may raise.
    """
    held = material.held
    conclusions = {name: _concluded(each.members, material, look) for name, each in finished.items()}
    name = conclusion.chosen(conclusions)
    done, members, stage = conclusions[name], finished[name].members, finished[name].stage
    spec = plan.path(name, material.given, material.shape)[stage]
    linear = len(members) > 1 and not spec.hidden_layer_sizes
    return Outcome(
        chosen=name,
        parameters=shifted(_whole(spec, members, material, look), -done.offset),
        hyperparameters=plan.resolved(name, material.given, material.shape, stage=stage),
        losses=softmax_loss(done.logits / done.temperature, held.labels),
        kept=tuple(shifted(member, -done.offset) for member in members) if linear else (),
        finished=finished,
        conclusions=conclusions,
    )


def _concluded(members: Sequence[Params], material: Material, look: Callable[[], None]) -> Conclusion:
    work = conclusion.concluding(levelled(members), material.held, class_weights=material.class_weights)
    while (done := go_on(work)[1]) is None:
        look()
    return done


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
