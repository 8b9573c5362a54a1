"""The body of a job, as it runs in a Dask worker: data, training, judgement, a published version."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.errors import StorageFailed, Superseded, TrainingDiverged
from app.jobs import Algorithm, Job, plan
from app.jobs.times import timestamp, utc_now
from app.training.card import compose
from app.training.checkpoints import Finished
from app.training.failure import failure_of
from app.training.journal import Effort, Journal, Paused
from app.training.material import Material, prepare
from app.training.promotion import Jury
from app.training.workplace import Workplace
from core import committee, training
from core.committee_state import CommitteeState
from core.conclusion import conclude
from core.network import Params
from core.training import Diverged, TrainingSpec
from core.warm_start import carry_over
from core.work import row_work

_YIELD_WORK = 4e9  # multiplications and additions between two looks at the clock: about a fifth of a second
_UPDATE_WORK = 150  # what a step costs for every weight besides, in the same measure: passes over memory
_STEP_WORK = 2e6  # and what it costs in any case


def run_job(place: Workplace, job_id: str, attempt: int) -> str:
    """Train a claimed job and bring it to its end, unless another attempt has taken it over.

    Returns: the state reached, "superseded" or "paused". Raises: StorageFailed, with the job as it was.
    """
    try:
        job = place.jobs.get(job_id)
        return Run(place=place, job=job, attempt=attempt, warnings=[]).run()
    except Superseded:
        return "superseded"
    except Paused:
        place.jobs.release(job_id, attempt)
        return "paused"
    except StorageFailed:
        raise  # the trainer tries again once disk and database are back
    except Exception as error:
        return _fail(place, job_id, attempt, error)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One attempt at one job."""

    place: Workplace
    job: Job
    attempt: int
    warnings: list[str]

    def run(self) -> str:
        """Do the whole job."""
        opened = self.place.datasets.open(self.job.dataset)
        material = prepare(opened, self._given(), max_categories=self.place.settings.max_categories)
        names = plan.CANDIDATES[self.job.algorithm]
        journal = self._journal(names, material)
        for name in names[len(journal.finished) :]:
            self._train(name, material, journal)
        return self._publish(material, dict(zip(names, journal.finished, strict=True)))

    def _given(self) -> dict[str, Any]:
        """What was said, and how many folds that came to when the job was accepted."""
        shown = self.job.hyperparameters
        return {"folds": shown["folds"], **self.job.given} if "folds" in shown else self.job.given

    def _journal(self, names: tuple[Algorithm, ...], material: Material) -> Journal:
        settings, held = self.place.settings, material.held
        rows = sum(int(np.count_nonzero(held.fold != member)) for member in range(held.members))
        layers = {name: plan.member_sizes(name, material.given, material.shape) for name in names}
        paths = {name: plan.path(name, material.given, material.shape) for name in names}
        return Journal(
            jobs=self.place.jobs,
            checkpoints=self.place.checkpoints,
            job_id=self.job.id,
            attempt=self.attempt,
            effort=Effort(
                rows=rows,
                per_epoch={name: float(rows * plan.parameters(layers[name])) for name in names},
                max_epochs={name: sum(spec.max_epochs for spec in paths[name]) for name in names},
            ),
            clock=time.monotonic,
            checkpoint_seconds=settings.checkpoint_seconds,
            max_runtime_seconds=min(
                self.job.max_runtime_seconds or settings.max_runtime_seconds, settings.max_runtime_seconds
            ),
            start=self.place.checkpoints.newest(self.job.id),
        )

    def _train(self, name: Algorithm, material: Material, journal: Journal) -> None:
        path = plan.path(name, material.given, material.shape)
        if journal.start.state is not None and len(journal.finished) == len(journal.start.finished):
            state = committee.from_arrays(path, journal.start.state)
        else:
            state = self._begin(path[0], material)
        layers = plan.member_sizes(name, material.given, material.shape)
        steps = steps_per_yield(path[0], layers, len(material.held.fold))
        for each in committee.fit(path, material.held, state, steps_per_yield=steps):
            journal.follow(name, each)
            state = each.state
        assert state.best is not None, "there are held-out rows, so there is a best epoch"
        journal.close(
            Finished(
                members=state.best.members,
                validation_loss=state.best.validation_loss,
                epochs=state.epoch,
                stage=state.best.stage,
            )
        )

    def _begin(self, spec: TrainingSpec, material: Material) -> CommitteeState:
        ends = (material.encoding.width, len(material.classes))
        starts = [self._start(spec, material, ends)] * material.held.members
        return committee.begin(spec, ends, starts)

    def _start(self, spec: TrainingSpec, material: Material, ends: tuple[int, int]) -> Params | None:
        """The weights to go on from, where there is a warm start."""
        if self.job.warm_start is None:
            return None
        source = self.place.repository.load(*self.place.repository.resolve(self.job.warm_start))
        try:
            return carry_over(
                source.parameters,
                source.encoding,
                material.encoding,
                fresh=training.begin(spec, *ends).parameters,
                places=_places(source.classes, material.classes),
            )
        except ValueError:
            self.warnings.append(
                f"{self.job.warm_start} has other layer sizes than this candidate, which began afresh"
            )
            return None

    def _publish(self, material: Material, candidates: dict[Algorithm, Finished]) -> str:
        """Choose, mix and calibrate, publish what comes of it, move `production` if it should, and finish."""
        done = conclude(
            {name: each.members for name, each in candidates.items()},
            material.held,
            mixture=plan.mixes(self.job.algorithm, material.given),
            class_weights=material.class_weights,
        )
        chosen: Algorithm = done.name  # type: ignore[assignment]
        hyperparameters = plan.resolved(
            chosen, material.given, material.shape, stage=candidates[chosen].stage
        )
        model, metrics = compose(
            self.job,
            done,
            material=material,
            hyperparameters=hyperparameters,
            candidates=candidates,
            created_at=timestamp(utc_now()),
        )
        jury = Jury(self.place.repository, self.job, material=material, loss=metrics["log_loss"])
        jury.judge_production()
        with (
            self.place.repository.staged(model) as publish,
            self.place.jobs.ending(self.job.id, self.attempt) as end,
        ):
            publish()
            verdict = jury.decide()
            end.confirm()
            if verdict.promoted:
                self.place.repository.set_alias(self.job.model, "production", self.job.version)
            end.succeed(
                hyperparameters=hyperparameters,
                metrics=metrics,
                promoted=verdict.promoted,
                warnings=[*self.warnings, *verdict.notes],
            )
        self.place.checkpoints.discard(self.job.id)
        return "succeeded"


def steps_per_yield(spec: TrainingSpec, layers: Sequence[int], rows: int) -> int:
    """So many that a run looks about five times a second whether it is still wanted."""
    batch = min(spec.batch_size or rows, rows)
    step = batch * row_work(layers) + _UPDATE_WORK * plan.parameters(layers) + _STEP_WORK
    return max(1, int(_YIELD_WORK / step))


def _places(old: tuple[Any, ...], new: tuple[Any, ...]) -> list[int | None]:
    """For each new class, its place among the old ones; True and 1 are different labels."""
    known = {(type(label), label): place for place, label in enumerate(old)}
    return [known.get((type(label), label)) for label in new]


def _fail(place: Workplace, job_id: str, attempt: int, error: Exception) -> str:
    if isinstance(error, Diverged):
        error = TrainingDiverged(loss=error.loss, epoch=error.epoch, learning_rate=error.learning_rate)
    failure = failure_of(error)
    try:
        place.jobs.fail(job_id, attempt, failure)
    except Superseded:
        return "superseded"
    place.checkpoints.discard(job_id)
    if failure.code == "internal_error":
        raise error  # the trainer logs it with its traceback
    return "failed"
