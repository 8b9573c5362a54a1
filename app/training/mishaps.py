"""What can befall a job from outside, and what then becomes of it: the queue again, or an end that says why."""

from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass

from app.errors import StorageFailed, Superseded, Unavailable, WorkerLost
from app.jobs import JobQueue
from app.training.failure import failure_of


@dataclass(kw_only=True)
class Mishap:
    """Something that happened to an attempt at a job, to be settled at the time `due`."""

    job_id: str
    attempt: int
    due: float

    @abstractmethod
    def settle(self, jobs: JobQueue) -> None:
        """Write what follows. A job that has ended or moved on meanwhile is left alone."""


@dataclass(kw_only=True)
class Lost(Mishap):
    """The worker process died, most likely out of memory."""

    most: int

    def settle(self, jobs: JobQueue) -> None:
        failure = failure_of(WorkerLost(times=self.most))
        jobs.lose(self.job_id, self.attempt, most=self.most, failure=failure)


@dataclass(kw_only=True)
class SetBack(Mishap):
    """Disk, database or the Dask cluster as a whole failed the job."""

    most: int
    error: StorageFailed | Unavailable

    def settle(self, jobs: JobQueue) -> None:
        jobs.set_back(self.job_id, self.attempt, most=self.most, failure=failure_of(self.error))


@dataclass(kw_only=True)
class Broken(Mishap):
    """The body broke with an error that it did not expect."""

    error: BaseException

    def settle(self, jobs: JobQueue) -> None:
        with suppress(Superseded):
            jobs.fail(self.job_id, self.attempt, failure_of(self.error))
