"""Whether a new version takes over production: both are judged on the same validation rows."""

from dataclasses import dataclass

import numpy as np

from app.errors import NeuronaError
from app.jobs import Job
from app.repository.model import Model, class_places
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


class Jury:
    """Judges a job's version, whose validation log loss is `loss`, against the one in production."""

    def __init__(self, repository: Repository, job: Job, *, material: Material, loss: float) -> None:
        self._repository, self._job, self._material, self._loss = repository, job, material, loss
        self._known: dict[int, float | str] = {}

    def judge_production(self) -> None:
        """Do beforehand what takes time, so that `decide` is quick."""
        production = self._production()
        if self._job.promote == "if_better" and production not in (None, self._job.version):
            self._loss_of(production)

    def decide(self) -> Verdict:
        """Apply the promotion rule."""
        production, rule = self._production(), self._job.promote
        if production is None or production == self._job.version or rule == "always":
            return Verdict(promoted=True)
        if rule == "never":
            return Verdict(promoted=False)
        theirs = self._loss_of(production)
        if isinstance(theirs, str):
            note = f"not promoted: version {production} could not be judged on the same rows ({theirs})"
            return Verdict(promoted=False, notes=(note,))
        if self._loss < theirs:
            return Verdict(promoted=True)
        losses = f"{self._loss:.4g} against {theirs:.4g} of version {production}"
        return Verdict(
            promoted=False, notes=(f"not promoted: validation log loss {losses} on the same rows",)
        )

    def _production(self) -> int | None:
        return self._repository.aliases(self._job.model).get("production")

    def _loss_of(self, version: int) -> float | str:
        """The version's log loss, or why there is none."""
        if version not in self._known:
            try:
                model = self._repository.load(self._job.model, version)
                self._known[version] = log_loss(model, self._material)
            except (NeuronaError, ValueError, KeyError) as error:
                self._known[version] = str(error)
        return self._known[version]


def log_loss(model: Model, material: Material) -> float:
    """The mean log loss of another version on the validation rows; infinite if it lacks one of their classes.

    Raises: ValueError or KeyError, if the rows lack columns that the version needs.
    """
    x = encoding.transform(model.encoding, material.held_back)
    log_probabilities = log_softmax(logits(model.parameters, x) / model.temperature)
    places = class_places(model.classes, material.classes)
    if any(places[code] is None for code in np.unique(material.validation.labels)):
        return float("inf")
    columns = np.array([-1 if place is None else place for place in places])[material.validation.labels]
    return float(-log_probabilities[np.arange(len(columns)), columns].mean(dtype=np.float64))
