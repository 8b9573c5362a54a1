"""What becomes of trained committees: one network, chosen, mixed and calibrated on rows its parts have not seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from core import merging
from core.arrays import Array
from core.calibration import cautious_loss, fit_temperature
from core.committee import Held, held_out_logits
from core.network import Params

SHARES = np.linspace(0.1, 0.9, 9)
SHIFTS = (0.0, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conclusion:
    """The network, and how its parts did on the held-out rows.

    name: of the candidate, or of the second one where it is a mixture; share: the second one's part in the
    mixture, None if there is none; logits: (held-out rows, classes), to be divided by temperature; shift: the
    part of the classes' log weights that was taken off the logits; scores: the lowest cautious loss of each
    candidate by itself.
    """

    name: str
    parameters: Params
    temperature: float
    logits: Array
    cautious_loss: float
    scores: Mapping[str, float]
    share: float | None = None
    shift: float = 0.0


def conclude(
    candidates: Mapping[str, tuple[Params, ...]],
    held: Held,
    *,
    mixture: bool = False,
    class_weights: Array | None = None,
) -> Conclusion:
    """The best of the candidates, and of the mixtures of both if that is asked for, by its cautious loss at its
    own temperature.

    candidates: the members of each; for a mixture a softmax regression and a network, in that order.
    class_weights: (c,) the weights that the rows of each class had. Training with them moves the logits by
    their logarithms, away from how frequent the classes are: that is taken off again as far as it helps.
    """
    logits = {name: held_out_logits(members, held).astype(np.float64) for name, members in candidates.items()}
    offset = np.zeros(1) if class_weights is None else np.log(class_weights)
    shifts = (0.0,) if class_weights is None else SHIFTS
    options = [
        (*_judged(z - shift * offset, held.labels), name, share, shift)
        for (name, share, z), shift in product(_options(logits, mixture), shifts)
    ]
    best = min(options, key=lambda option: option[0])
    loss, temperature, z, name, share, shift = best
    if share is None:
        parameters = merging.merge(candidates[name])
    else:
        linear, deep = (merging.merge(members) for members in candidates.values())
        parameters = merging.mix(linear, deep, share)
    if class_weights is not None:
        parameters = merging.shifted(parameters, -shift * offset)
    return Conclusion(
        name=name,
        parameters=parameters,
        temperature=temperature,
        logits=z,
        cautious_loss=loss,
        scores={each: min(o[0] for o in options if o[3:5] == (each, None)) for each in candidates},
        share=share,
        shift=shift,
    )


def _options(logits: Mapping[str, Array], mixture: bool) -> Iterator[tuple[str, float | None, Array]]:
    for name, z in logits.items():
        yield name, None, z
    if mixture:
        (_, linear), (name, deep) = logits.items()
        for share in SHARES.tolist():
            yield name, share, (1 - share) * linear + share * deep


def _judged(z: Array, labels: Array) -> tuple[float, float, Array]:
    temperature = fit_temperature(z, labels)
    return cautious_loss(z / temperature, labels), temperature, z
