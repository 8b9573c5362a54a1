"""The body of a job, as it runs in a Dask worker: data, training, judgement, a published version."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.errors import StorageFailed, Superseded, TrainingDiverged
from app.jobs import Algorithm, Job, plan
from app.repository.model import Model
from app.repository.names import PRODUCTION
from app.times import timestamp, utc_now
from app.training import origin, verification
from app.training.card import compose, made
from app.training.checkpoints import Finished
from app.training.failure import failure_of
from app.training.intake import take_in
from app.training.journal import Journal, Paused, Workload
from app.training.material import Material
from app.training.outcome import conclude
from app.training.production import Forerunner
from app.training.promotion import Jury
from app.training.workplace import Workplace
from core import committee, network
from core.committee_state import CommitteeState
from core.defaults import FEW_MOVES
from core.training import Diverged, TrainingSpec
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
        return Attempt(place=place, job=job, attempt=attempt, warnings=[]).run()
    except Superseded:
        return "superseded"
    except Paused:
        return _released(place, job_id, attempt)
    except StorageFailed:
        raise  # the trainer tries again once disk and database are back
    except Exception as error:
        return _fail(place, job_id, attempt, error)


def _released(place: Workplace, job_id: str, attempt: int) -> str:
    try:
        place.jobs.release(job_id, attempt)
    except Superseded:
        return "superseded"
    return "paused"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at one job."""

    place: Workplace
    job: Job
    attempt: int
    warnings: list[str]

    def run(self) -> str:
        """Do the whole job."""
        intake, journal = take_in(self.place, self.job, self.warnings), self._journal()
        material = intake.material(journal.look)
        finished = self._trained(material, intake.forerunner, journal)
        if intake.published is not None:
            return self._verify(intake.published, material, finished, journal)
        return self._publish(material, finished, journal)

    def _trained(
        self, material: Material, forerunner: Forerunner | None, journal: Journal
    ) -> dict[Algorithm, Finished]:
        """Every candidate, one after the other; but for those that diverged, of which the user hears."""
        names = plan.CANDIDATES[self.job.algorithm]
        journal.expect(_workload(names, material))
        done = len(journal.finished)
        for name in names[:done] if forerunner is not None else ():
            # An earlier attempt trained it, and its warnings are gone.
            self._begin(name, material, forerunner)
        for name in names[done:]:
            try:
                self._train(name, material, forerunner, journal)
            except Diverged as error:
                if name == names[-1] and not any(each.members for each in journal.finished):
                    raise
                journal.close(Finished(members=(), validation_loss=math.inf, epochs=error.epoch))
        finished = dict(zip(names, journal.finished, strict=True))
        self.warnings.extend(
            f"{name} diverged in epoch {each.epochs} and was left out: a lower learning_rate may help it"
            for name, each in finished.items()
            if not each.members
        )
        return {name: each for name, each in finished.items() if each.members}

    def _journal(self) -> Journal:
        settings = self.place.settings
        return Journal(
            jobs=self.place.jobs,
            checkpoints=self.place.checkpoints,
            job_id=self.job.id,
            attempt=self.attempt,
            clock=time.monotonic,
            checkpoint_seconds=settings.checkpoint_seconds,
            max_runtime_seconds=min(
                self.job.max_runtime_seconds or settings.max_runtime_seconds, settings.max_runtime_seconds
            ),
            start=self.place.checkpoints.newest(self.job.id),
        )

    def _train(
        self, name: Algorithm, material: Material, forerunner: Forerunner | None, journal: Journal
    ) -> None:
        """From the newest checkpoint, if it is of this candidate, else from its beginning."""
        path, left = plan.path(name, material.given, material.shape), journal.start.state
        if len(journal.finished) != len(journal.start.finished):
            left = None
        if left is None or forerunner is not None:  # whose warnings are said again where a run goes on
            state = self._begin(name, material, forerunner)
        if left is not None:
            state = committee.from_arrays(path, left)
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

    def _begin(self, name: Algorithm, material: Material, forerunner: Forerunner | None) -> CommitteeState:
        """Afresh, or each member from the one of its fold in the version to go on from."""
        spec = plan.path(name, material.given, material.shape)[0]
        fresh = committee.fresh(spec, material.held, len(material.classes))
        if forerunner is None:
            return fresh
        try:
            starts = forerunner.carried(material, [each.parameters for each in fresh.members])
        except ValueError:
            self._say(f"{self.job.warm_start} has other layer sizes than this candidate, which began afresh")
            return fresh
        if not forerunner.helps(starts, material):
            self._say(
                f"{self.job.warm_start} does worse than a guess on these rows, so training began afresh"
            )
            return fresh
        renamed = forerunner.renamed(material)
        for column, before in renamed.items():
            self._say(
                f"column {column!r} is taken for {before!r} of {self.job.warm_start}, whose place and values it has"
            )
        if not renamed and not forerunner.shares_columns(material):
            self._say(
                f"no column of {self.job.warm_start} is here, so hardly anything of it could be carried over"
            )
        return committee.begin(spec, material.ends, starts)

    def _say(self, warning: str) -> None:
        """Once, whichever of the candidates it is about."""
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _publish(self, material: Material, finished: dict[Algorithm, Finished], journal: Journal) -> str:
        """Choose and calibrate, publish what comes of it, move `production` if it should, and finish."""
        outcome = conclude(finished, material, look=journal.look)
        jury = Jury(self.place.repository, self.job, material=material, losses=outcome.losses)
        model, metrics = compose(
            self.job,
            outcome,
            material=material,
            promotion=jury.decide().promotion,
            lineage=origin.lineage(
                self.job,
                dataset_sha256=self._known_digest() or self._digest(journal),
                seed=outcome.hyperparameters["seed"],
                limits={name: int(getattr(self.place.settings, name)) for name in origin.LIMITS},
            ),
            created_at=timestamp(utc_now()),
        )
        with self.place.repository.staged(model, members=outcome.kept) as publish:
            jury.decide()  # production may have moved meanwhile; to compare takes longer than an ending may
            with self.place.jobs.ending(self.job.id, self.attempt) as end:
                publish()
                verdict = jury.decide()
                end.confirm()
                if verdict.promoted:
                    self.place.repository.set_alias(
                        self.job.model, PRODUCTION, self.job.version, job=self.job.id
                    )
                end.succeed(
                    hyperparameters=dict(outcome.hyperparameters),
                    metrics={**metrics, "promotion": {**verdict.promotion, "promoted": verdict.promoted}},
                    promoted=verdict.promoted,
                    warnings=[*self.warnings, *verdict.notes],
                )
        self.place.checkpoints.discard(self.job.id)
        return "succeeded"

    def _verify(
        self, published: Model, material: Material, finished: dict[Algorithm, Finished], journal: Journal
    ) -> str:
        """Compare what was trained with the version in the repository; nothing of it is kept."""
        outcome = conclude(finished, material, look=journal.look)
        found = verification.verdict(
            published,
            made(self.job, outcome, material, card={}),
            dataset_sha256=self._digest(journal),
        )
        with self.place.jobs.ending(self.job.id, self.attempt) as end:
            end.succeed(
                hyperparameters=dict(outcome.hyperparameters),
                metrics=found,
                promoted=None,
                warnings=[*self.warnings, *verification.remarks(found)],
            )
        self.place.checkpoints.discard(self.job.id)
        return "succeeded"

    def _known_digest(self) -> str | None:
        """The digest that the dataset's record has had since it was stored."""
        return self.place.datasets.get(self.job.dataset).sha256

    def _digest(self, journal: Journal) -> str:
        """The digest of the dataset as it is now."""
        return self.place.datasets.digest(self.job.dataset, look=journal.look)


def _workload(names: Sequence[Algorithm], material: Material) -> Workload:
    held = material.held
    rows = sum(int(np.count_nonzero(held.fold != member)) for member in range(held.members))
    layers = {name: plan.member_sizes(name, material.given, material.shape) for name in names}
    paths = {name: plan.path(name, material.given, material.shape) for name in names}
    return Workload(
        rows=rows,
        per_epoch={name: float(rows * network.count(layers[name])) for name in names},
        epochs={name: sum(map(_expected_epochs, paths[name])) for name in names},
        max_epochs={name: sum(spec.max_epochs for spec in paths[name]) for name in names},
    )


def _expected_epochs(spec: TrainingSpec) -> int:
    """Moves of lbfgs are few from one penalty to the next; other optimizers may need all their epochs."""
    return min(spec.max_epochs, FEW_MOVES) if spec.optimizer == "lbfgs" else spec.max_epochs


def steps_per_yield(spec: TrainingSpec, layers: Sequence[int], rows: int) -> int:
    """So many that a run looks about five times a second whether it is still wanted."""
    batch = min(spec.batch_size or rows, rows)
    step = batch * row_work(layers) + _UPDATE_WORK * network.count(layers) + _STEP_WORK
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
