"""Where a committee stands: a value, from which it goes on to the same bits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from core import network, training
from core.arrays import Array
from core.network import Params
from core.training import TrainingSpec, TrainingState


class Choice(NamedTuple):
    """The members after the epoch of the lowest cautious loss so far."""

    epoch: int
    stage: int
    validation_loss: float
    cautious_loss: float
    members: tuple[Params, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class CommitteeState:
    """Everything a committee needs to go on, as a value.

    epoch: complete epochs, over all stages; stage: the place in the path; turn: members that have done the epoch
    under way; train_losses: of each member's last epoch; best: None before the first judgement.
    """

    members: tuple[TrainingState, ...]
    train_losses: tuple[float, ...]
    epoch: int = 0
    stage: int = 0
    turn: int = 0
    best: Choice | None = None


def begin(spec: TrainingSpec, sizes: tuple[int, int], starts: Sequence[Params | None]) -> CommitteeState:
    """The state before the first step of one member for each of `starts`: None, or parameters to go on from.

    sizes: features, classes. Raises ValueError for parameters of other sizes.
    """
    members = tuple(
        training.begin(member_spec(spec, member), *sizes, parameters=start, even=len(starts) > 1)
        for member, start in enumerate(starts)
    )
    return CommitteeState(members=members, train_losses=(0.0,) * len(members))


def member_spec(spec: TrainingSpec, member: int) -> TrainingSpec:
    """The same spec with a seed of the member's own; the first one's is the spec's."""
    if member == 0:
        return spec
    seed = int(np.random.SeedSequence([spec.seed, member]).generate_state(1, np.uint64)[0] >> 1)
    return replace(spec, seed=seed)


def to_arrays(state: CommitteeState) -> dict[str, Array]:
    """The state as named arrays, from which `from_arrays` makes the same state to the bit."""
    arrays = {
        f"member.{number}.{name}": array
        for number, member in enumerate(state.members)
        for name, array in training.to_arrays(member).items()
    }
    arrays["committee"] = np.array([len(state.members), state.epoch, state.stage, state.turn], np.int64)
    arrays["train_losses"] = np.array(state.train_losses, np.float64)
    if state.best is not None:
        arrays["choice"] = np.array([state.best.epoch, state.best.stage], np.int64)
        arrays["choice.losses"] = np.array([state.best.validation_loss, state.best.cautious_loss], np.float64)
        for number, parameters in enumerate(state.best.members):
            arrays[f"choice.{number}"] = network.flatten(parameters)
    return arrays


def from_arrays(path: Sequence[TrainingSpec], arrays: Mapping[str, Array]) -> CommitteeState:
    """The state that `to_arrays` wrote; ValueError if arrays are missing or do not fit the path."""
    try:
        count, epoch, stage, turn = (int(number) for number in arrays["committee"])
        spec = path[min(stage, len(path) - 1)]
        members = tuple(
            training.from_arrays(
                spec,
                {
                    name.removeprefix(f"member.{number}."): array
                    for name, array in arrays.items()
                    if name.startswith(f"member.{number}.")
                },
            )
            for number in range(count)
        )
        losses_so_far = tuple(map(float, arrays["train_losses"]))
        best = _read_choice(arrays, members, spec) if "choice" in arrays else None
    except KeyError as error:
        raise ValueError(f"not a training state of this spec: there is no array {error}") from None
    if not (0 <= turn < count and 0 <= stage <= len(path) and len(losses_so_far) == count and epoch >= 0):
        raise ValueError("not a training state of this spec: numbers out of their range")
    return CommitteeState(
        members=members, train_losses=losses_so_far, epoch=epoch, stage=stage, turn=turn, best=best
    )


def _read_choice(arrays: Mapping[str, Array], members: Sequence[TrainingState], spec: TrainingSpec) -> Choice:
    epoch, stage = arrays["choice"].tolist()
    loss, cautious = arrays["choice.losses"].tolist()
    chosen = tuple(
        network.layers(arrays[f"choice.{number}"], network.sizes(member.parameters))
        for number, member in enumerate(members)
    )
    if any(array.dtype != spec.dtype for parameters in chosen for layer in parameters for array in layer):
        raise ValueError(f"not a training state of this spec: its choice is not {spec.dtype}")
    return Choice(epoch, stage, loss, cautious, chosen)
