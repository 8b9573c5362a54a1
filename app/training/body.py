"""The body of a job, as it runs in a Dask worker: data, training, judgement, a published version."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.errors import StorageFailed, Superseded, TrainingDiverged
from app.jobs import Algorithm, Job, plan
from app.jobs.times import timestamp, utc_now
from app.repository.model import class_places
from app.training.card import compose
from app.training.checkpoints import Finished
from app.training.failure import failure_of
from app.training.journal import Effort, Journal, Paused
from app.training.material import Material, prepare
from app.training.promotion import Jury
from app.training.workplace import Workplace
from core import training
from core.calibration import fit_temperature
from core.network import Params, logits
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
        material = prepare(opened, self.job.given, max_categories=self.place.settings.max_categories)
        names = plan.CANDIDATES[self.job.algorithm]
        journal = self._journal(names, material)
        for name in names[len(journal.finished) :]:
            self._train(name, material, journal)
        losses = [each.validation_loss for each in journal.finished]
        best = int(np.argmin(losses))
        return self._publish(names[best], journal.finished[best].parameters, material, journal)

    def _journal(self, names: tuple[Algorithm, ...], material: Material) -> Journal:
        rows, settings = len(material.train.labels), self.place.settings
        layers = {name: plan.sizes(name, self.job.given, material.shape) for name in names}
        return Journal(
            jobs=self.place.jobs,
            checkpoints=self.place.checkpoints,
            job_id=self.job.id,
            attempt=self.attempt,
            effort=Effort(
                rows=rows,
                per_epoch={name: float(rows * plan.parameters(layers[name])) for name in names},
                max_epochs={name: self._spec(name, material).max_epochs for name in names},
            ),
            clock=time.monotonic,
            checkpoint_seconds=settings.checkpoint_seconds,
            max_runtime_seconds=min(
                self.job.max_runtime_seconds or settings.max_runtime_seconds, settings.max_runtime_seconds
            ),
            start=self.place.checkpoints.newest(self.job.id),
        )

    def _spec(self, name: Algorithm, material: Material) -> TrainingSpec:
        return plan.spec(name, self.job.given, material.shape)

    def _train(self, name: Algorithm, material: Material, journal: Journal) -> None:
        spec = self._spec(name, material)
        if journal.start.state is not None and len(journal.finished) == len(journal.start.finished):
            state = training.from_arrays(spec, journal.start.state)
        else:
            state = self._begin(spec, material)
        layers = (material.encoding.width, *spec.hidden_layer_sizes, len(material.classes))
        steps = steps_per_yield(spec, layers, len(material.train.labels))
        epochs = training.fit(spec, material.train, material.validation, state, steps_per_yield=steps)
        for epoch in training.early_stopping(epochs, spec.patience, state=state):
            journal.follow(name, epoch)
            state = epoch.state
        assert state.best is not None, "there are validation rows, so there is a best epoch"
        journal.close(
            Finished(
                parameters=state.best.parameters,
                validation_loss=state.best.validation_loss,
                epochs=state.epoch,
            )
        )

    def _begin(self, spec: TrainingSpec, material: Material) -> training.TrainingState:
        features, classes = material.encoding.width, len(material.classes)
        fresh = training.begin(spec, features, classes)
        if self.job.warm_start is None:
            return fresh
        source = self.place.repository.load(*self.place.repository.resolve(self.job.warm_start))
        try:
            carried = carry_over(
                source.parameters,
                source.encoding,
                material.encoding,
                fresh=fresh.parameters,
                places=class_places(source.classes, material.classes),
            )
        except ValueError:
            self.warnings.append(
                f"{self.job.warm_start} has other layer sizes than this candidate, which began afresh"
            )
            return fresh
        return training.begin(spec, features, classes, parameters=carried)

    def _publish(self, name: Algorithm, parameters: Params, material: Material, journal: Journal) -> str:
        """Judge the winner, publish it, move `production` if it should, and finish."""
        z = logits(parameters, material.validation.x)
        temperature = fit_temperature(z, material.validation.labels)
        hyperparameters = plan.resolved(name, self.job.given, material.shape)
        model, metrics = compose(
            self.job,
            name,
            parameters,
            material=material,
            temperature=temperature,
            hyperparameters=hyperparameters,
            candidates=dict(zip(plan.CANDIDATES[self.job.algorithm], journal.finished, strict=True)),
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
                self.place.repository.set_alias(
                    self.job.model, "production", self.job.version, job=self.job.id
                )
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
