"""The last write of an attempt: the job's end, or its return to the queue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Update, case, select, update

from app.jobs.records import Failure, State
from app.jobs.rows import read_job
from app.jobs.tables import jobs
from app.times import timestamp


def of_attempt(job_id: str, attempt: int) -> Update:
    """An update of a running job that touches nothing once the attempt is no longer the newest."""
    return update(jobs).where(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state == "running")


def final(state: State, now: datetime) -> dict[str, Any]:
    """The columns of any end; a webhook falls due with it."""
    due = case((jobs.c.webhook.is_not(None), now.timestamp()), else_=None)
    return {"state": state, "finished_at": timestamp(now), "webhook_due": due}


class Ending(NamedTuple):
    """A running job, held by a transaction that its attempt has passed the fence of."""

    connection: Connection
    job_id: str
    attempt: int
    now: datetime

    def confirm(self) -> None:
        """Make sure that the database still holds the job for this attempt, however long that slept.

        Raises: StorageFailed.
        """
        self.connection.execute(select(jobs.c.id).where(jobs.c.id == self.job_id))

    def succeed(
        self,
        *,
        hyperparameters: dict[str, Any],
        metrics: dict[str, Any],
        promoted: bool | None,
        warnings: Sequence[str],
    ) -> None:
        """The job has made its version, or verified one."""
        job = read_job(self.connection, self.job_id)
        self._write(
            final("succeeded", self.now)
            | {
                "hyperparameters": hyperparameters,
                "metrics": metrics,
                "promoted": promoted,
                "warnings": [*job.warnings, *(text for text in warnings if text not in job.warnings)],
                "progress": {**job.progress.model_dump(), "fraction": 1.0, "eta_seconds": 0.0},
            }
        )

    def fail(self, error: Failure) -> None:
        """The job cannot be done."""
        self._write(final("failed", self.now) | {"error": error.model_dump()})

    def put_back(self, count: Column[int], most: int, failure: Failure) -> None:
        """One more mishap of the kind that `count` counts: the queue again, or the end after `most`."""
        mishaps = 1 + self.connection.execute(select(count).where(jobs.c.id == self.job_id)).scalar_one()
        self._write({count.name: mishaps})
        if mishaps >= most:
            self.fail(failure)
        else:
            self._write({"state": "queued", "attempt": self.attempt + 1})

    def _write(self, values: dict[str, Any]) -> None:
        self.connection.execute(of_attempt(self.job_id, self.attempt).values(**values))
