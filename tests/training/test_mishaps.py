"""What the trainer makes of a task that Dask brings to an end without a result."""

import threading
from dataclasses import dataclass

import pytest
from distributed.scheduler import KilledWorker

from app.training.trainer import Trainer


@dataclass(frozen=True)
class Ended:
    """A future that will change no more."""

    status: str
    error: Exception | None = None

    def done(self) -> bool:
        return True

    def exception(self) -> Exception | None:
        return self.error


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def befall(bench):
    """Has a job's attempt come to that end, with all pauses over; the job then."""
    trainer = Trainer(
        settings=bench.place.settings,
        jobs=bench.place.jobs,
        body="nothing:to_call",
        stop=threading.Event(),
        clock=Clock(),
    )
    assert bench.place.jobs.lead(trainer.owner, 60)

    def come(job_id: str, end: Ended):
        claimed, attempt = bench.place.jobs.claim(trainer.owner, only=job_id)
        trainer._running[end] = (claimed.id, attempt)
        trainer._collect()
        trainer.clock.now += 6
        trainer._collect()
        return bench.store.get(job_id)

    return come


def test_a_worker_that_dies_again_and_again_is_the_jobs_own_doing(bench, befall):
    job = bench.submit()
    end = Ended("error", KilledWorker("job", None, 1))
    states = [befall(job.id, end).state for _ in range(bench.place.settings.max_attempts)]
    assert states == ["queued", "queued", "failed"]
    assert bench.store.get(job.id).error.code == "worker_lost"


def test_a_scheduler_that_was_restarted_is_not(bench, befall):
    job, most = bench.submit(), bench.place.settings.max_setbacks
    states = [befall(job.id, Ended("cancelled")).state for _ in range(most)]
    assert states == ["queued"] * (most - 1) + ["failed"]
    error = bench.store.get(job.id).error
    assert (error.code, error.message) == (
        "unavailable",
        "The Dask cluster let go of this job again and again.",
    )
