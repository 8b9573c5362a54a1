"""Whether a new version takes over production: both are judged on the same validation rows."""

from dataclasses import dataclass

import numpy as np

from app.errors import NeuronaError
from app.jobs import Promote
from app.jobs.plan import Label
from app.repository.model import Model
from app.repository.repository import Repository
from app.training.material import Material
from core import encoding
from core.losses import log_softmax
from core.network import logits


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision, and what the user should know of it."""

    promoted: bool
    notes: tuple[str, ...] = ()


def decide(
    repository: Repository, model: str, version: int, *, rule: Promote, material: Material, loss: float
) -> Verdict:
    """Apply the promotion rule to a version that is published and whose validation log loss is `loss`."""
    production = repository.aliases(model).get("production")
    if production is None or production == version or rule == "always":
        return Verdict(promoted=True)
    if rule == "never":
        return Verdict(promoted=False)
    try:
        theirs = log_loss(repository.load(model, production), material)
    except (NeuronaError, ValueError, KeyError) as error:
        note = f"not promoted: version {production} could not be judged on the same rows ({error})"
        return Verdict(promoted=False, notes=(note,))
    note = f"validation log loss {loss:.4g} against {theirs:.4g} of version {production} on the same rows"
    return Verdict(promoted=loss < theirs, notes=() if loss < theirs else (f"not promoted: {note}",))


def log_loss(model: Model, material: Material) -> float:
    """The mean log loss of another version on the validation rows; infinite if it lacks one of their classes.

    Raises: ValueError or KeyError, if the rows lack columns that the version needs.
    """
    x = encoding.transform(model.encoding, material.held_back)
    log_probabilities = log_softmax(logits(model.parameters, x) / model.temperature)
    places = [_place(model.classes, label) for label in material.classes]
    if any(places[code] is None for code in np.unique(material.validation.labels)):
        return float("inf")
    columns = np.array([-1 if place is None else place for place in places])[material.validation.labels]
    return float(-log_probabilities[np.arange(len(columns)), columns].mean(dtype=np.float64))


def _place(classes: tuple[Label, ...], label: Label) -> int | None:
    for place, known in enumerate(classes):
        if known == label and type(known) is type(label):
            return place
    return None
