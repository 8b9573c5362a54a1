"""What the trainer makes of a task that Dask brings to an end without a result."""

from dataclasses import dataclass

import pytest
from distributed.scheduler import KilledWorker


@dataclass(frozen=True)
class Ended:
    """A future that will change no more."""

    status: str
    error: Exception | None = None

    def done(self) -> bool:
        return True

    def exception(self) -> Exception | None:
        return self.error


@pytest.fixture
def befall(bench, trainer):
    """Has a job's attempt come to that end, with all pauses over; the job then."""

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
