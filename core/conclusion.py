"""What becomes of trained committees: one is chosen and calibrated on rows that its members have not seen."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from core.arrays import Array
from core.calibration import TEMPERING, cautious_loss, fitting_temperature
from core.committee import Held, held_out_logits
from core.losses import softmax_loss
from core.network import Params
from core.stops import finish

SHIFTS = (0.0, 0.5, 1.0)
Name = TypeVar("Name", bound=str)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conclusion:
    """How a committee's members did on the held-out rows, and how its logits become probabilities.

    logits: (held-out rows, classes), with `offset` taken off; to be divided by temperature. offset: (classes,) what
    is to be taken off its logits; shift: the part of the classes' log weights that this is.
    log_loss: of the calibrated probabilities; cautious_loss: likewise.
    """

    logits: Array
    offset: Array
    shift: float
    temperature: float
    log_loss: float
    cautious_loss: float


def conclude(members: Sequence[Params], held: Held, *, class_weights: Array | None = None) -> Conclusion:
    """Calibrate a committee: the temperature, and the shift where classes were weighted, of the lowest cautious loss.

    class_weights: (c,) the weights, above 0, that the rows of each class had. Training with them moves the logits by
    their logarithms, away from how frequent the classes are: that is taken off again as far as it helps.
    Raises ValueError where no row is held out.
    """
    return finish(concluding(members, held, class_weights=class_weights))


def concluding(
    members: Sequence[Params], held: Held, *, class_weights: Array | None = None
) -> Generator[None, None, Conclusion]:
    """As `conclude`, with stops on the way."""
    z = held_out_logits(members, held).astype(np.float64)
    logs = np.zeros(z.shape[1]) if class_weights is None else np.log(class_weights)
    shifts = (0.0,) if class_weights is None else SHIFTS
    options = []
    for shift in shifts:
        options.append((yield from _calibrated(z - shift * logs, shift * logs, shift, held.labels)))
    return min(options, key=lambda option: option.cautious_loss)


def chosen(conclusions: Mapping[Name, Conclusion]) -> Name:
    """The name of the one with the lowest log loss on held-out rows."""
    return min(conclusions, key=lambda name: conclusions[name].log_loss)


def _calibrated(z: Array, offset: Array, shift: float, labels: Array) -> Generator[None, None, Conclusion]:
    temperature = yield from fitting_temperature(z, labels)
    return Conclusion(
        logits=z,
        offset=offset,
        shift=shift,
        temperature=temperature,
        log_loss=float(softmax_loss(z / temperature, labels).mean()),
        cautious_loss=cautious_loss(z / temperature, labels, wrong=TEMPERING),
    )
