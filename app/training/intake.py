"""What goes into an attempt at a job: its rows, and the version that it goes on from or is about."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from app.jobs import Job, plan
from app.jobs.plan import Shape
from app.repository.model import Model, limit
from app.training import origin
from app.training.material import Material, prepare
from app.training.production import Forerunner, parts_of
from app.training.streaming import prepare_streamed
from app.training.workplace import Workplace


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Of one attempt.

    forerunner: the version to go on from, where there is a warm start; published: the one that a verification is
    about. warnings: what there is to say of them is added.
    """

    place: Workplace
    job: Job
    forerunner: Forerunner | None
    published: Model | None
    warnings: list[str]

    def material(self, look: Callable[[], None]) -> Material:
        """The rows, encoded. look: called every now and then while a file is read; it may raise."""
        rows = self._admitted(self._rows(look))
        before = None if self.forerunner is None else self.forerunner.model.encoding
        return rows.cut(plan.bins(self.job.algorithm, rows.given, rows.shape), before)

    def _rows(self, look: Callable[[], None]) -> Material:
        """The job's rows, in memory or, if there are too many, where they are."""
        datasets, given = self.place.datasets, self._given()
        before = None if self.forerunner is None else self.forerunner.before
        memory, most = (self._limit(name) for name in origin.LIMITS)
        dataset = datasets.get(self.job.dataset)
        shape = Shape(**dataset.sizes(most))
        if not plan.streamed(given, shape, memory):
            return prepare(datasets.open(dataset.id), given, max_categories=most, before=before)
        given = plan.fitting(self.job.algorithm, given, shape, memory)
        opened = datasets.stream(dataset.id, look=look)
        material = prepare_streamed(opened, given, max_categories=most, before=before)
        self.warnings.append(
            f"encoded rows exceed training_memory_bytes: they are read from disk in every epoch, and"
            f" {len(material.held.rows):,} of {dataset.rows:,} are held out"
        )
        return material

    def _admitted(self, material: Material) -> Material:
        """The material, which says so if a warm start is judged by rows that it has learned from already.

        What goes to the optimum of a convex loss does not depend on where it began.
        """
        if self.forerunner is None or not self.forerunner.has_seen(material):
            return material
        paths = (
            plan.path(name, material.given, material.shape) for name in plan.CANDIDATES[self.job.algorithm]
        )
        if all(path[0].optimizer == "lbfgs" for path in paths):
            return material
        self.warnings.append(
            f"validation figures are too good: rows are held out otherwise than in {self.job.warm_start}, which has"
            " learned from some of those that they are measured on"
        )
        return replace(material, deal=replace(material.deal, clean=False))

    def _given(self) -> dict[str, Any]:
        """What was said, and how many folds and bins that came to when the job was accepted."""
        shown = self.job.hyperparameters
        return {name: shown[name] for name in ("folds", "bins") if name in shown} | self.job.given

    def _limit(self, name: str) -> int:
        """The limit in force, or for a verification the one that was when its version was made."""
        now = int(getattr(self.place.settings, name))
        return now if self.published is None else limit(self.published.card, name, now)


def take_in(place: Workplace, job: Job, warnings: list[str]) -> Intake:
    """Look up the versions that a job needs. Raises: what loading them raises."""
    forerunner = published = None
    if job.warm_start is not None:
        model = place.repository.load(*place.repository.resolve(job.warm_start))
        forerunner = Forerunner(model=model, parts=parts_of(model, place.repository))
    if job.kind == "verify":
        published = place.repository.load(job.model, job.version)
    return Intake(place=place, job=job, forerunner=forerunner, published=published, warnings=warnings)
