"""The job records as the training side writes them: claimed, written by one attempt at a time, finished."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Engine, func, insert, select, update

from app.errors import Superseded
from app.jobs.database import connect, one_at_a_time, reading, writing
from app.jobs.ending import Ending, of_attempt
from app.jobs.leases import Holding, Lease, drop_lease, holds_lease, read_lease, take_lease
from app.jobs.records import FINAL, EpochRecord, Failure, Job, Progress
from app.jobs.rows import last_sequence, read_job, to_job
from app.jobs.schema import bring_up_to_date
from app.jobs.tables import epochs, jobs
from app.times import timestamp, utc_now

_TRAINER = "trainer"


class Lead(NamedTuple):
    """The right to train: `fresh` if it was another's, or nobody's, and so many running jobs were taken over."""

    fresh: bool
    taken_over: int


class JobQueue:
    """Jobs to be trained, on SQLite or PostgreSQL.

    A job is written by one attempt at a time: every write of a running job names its attempt, and one that is no
    longer the newest, or whose job has ended, is refused with `Superseded`.
    """

    def __init__(
        self,
        url: str,
        *,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine: Engine = connect(url)
        self._now, self._clock = now, clock
        # Leases of others, and since when they are as they are.
        self._seen: dict[str, tuple[Lease, float]] = {}

    def prepare(self) -> None:
        """Bring the tables to this release's shape."""
        bring_up_to_date(self._engine)

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    def get(self, job_id: str) -> Job:
        """One job. Raises: JobNotFound."""
        with reading(self._engine) as connection:
            return read_job(connection, job_id)

    def hold_lease(self, name: str, owner: str, seconds: float) -> bool:
        """Take or keep the right to act as `name` for some seconds; False while another owner holds it."""
        with writing(self._engine) as connection:
            return self._take(connection, name, owner, seconds) is not None

    def lead(self, owner: str, seconds: float) -> Lead | None:
        """Take or keep the right to train for some seconds; None while another trainer has it.

        Whoever takes it puts every running job back in the queue in the same moment: those who ran them are
        superseded.
        """
        with writing(self._engine) as connection:
            holding = self._take(connection, _TRAINER, owner, seconds)
            if holding is None:
                return None
            fresh = holding == "taken"
            return Lead(fresh, _requeue(connection) if fresh else 0)

    def resign(self, owner: str) -> None:
        """Give up the right to train, so that another trainer need not wait until it expires."""
        with writing(self._engine) as connection:
            drop_lease(connection, _TRAINER, owner)

    def next(self) -> Job | None:
        """The oldest queued job: a look that writes nothing."""
        query = select(jobs).where(jobs.c.state == "queued").order_by(jobs.c.number).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return to_job(row) if row is not None else None

    def warn(self, job_id: str, warning: str) -> None:
        """Add a warning to a job that waits, once."""
        with writing(self._engine) as connection:
            known = read_job(connection, job_id).warnings
            if warning not in known:
                waiting = update(jobs).where(jobs.c.id == job_id, jobs.c.state == "queued")
                connection.execute(waiting.values(warnings=[*known, warning]))

    def claim(self, owner: str | None = None, *, only: str | None = None) -> tuple[Job, int] | None:
        """The oldest queued job, or `only` that one, now running under a higher attempt; None if it does not wait.

        A job that is claimed as `owner` is not given to one whom another trainer has followed meanwhile.
        """
        with writing(self._engine) as connection:
            if owner is not None:
                one_at_a_time(connection, f"lease {_TRAINER}")
                if not holds_lease(connection, _TRAINER, owner):
                    return None
            query = select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.number).limit(1)
            if only is not None:
                query = query.where(jobs.c.id == only)
            job_id = connection.execute(query.with_for_update(skip_locked=True)).scalar()
            if job_id is None:
                return None
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(
                    state="running",
                    attempt=jobs.c.attempt + 1,
                    pause=False,
                    started_at=func.coalesce(jobs.c.started_at, self._stamp()),
                )
            )
            job = read_job(connection, job_id)
            return job, job.attempt

    def ended(self, job_ids: Sequence[str]) -> set[str]:
        """Those of the jobs that are in a final state."""
        query = select(jobs.c.id).where(jobs.c.id.in_(job_ids), jobs.c.state.in_(FINAL))
        with reading(self._engine) as connection:
            return set(connection.execute(query).scalars())

    def request_pause(self) -> None:
        """Ask every running job to write a checkpoint and give itself back."""
        with writing(self._engine) as connection:
            connection.execute(update(jobs).where(jobs.c.state == "running").values(pause=True))

    def record(
        self, job_id: str, attempt: int, new: Sequence[EpochRecord] = (), progress: Progress | None = None
    ) -> bool:
        """Write epochs and progress; True if the job is asked to pause.

        Epochs already there are left as they are: a resumed run repeats them to the bit. Others show that disk and
        database do their work again.
        Raises: Superseded.
        """
        values: dict[str, Any] = {"progress": progress.model_dump()} if progress else {"attempt": attempt}
        with writing(self._engine) as connection:
            self._fenced(connection, job_id, attempt, values)
            if new:
                last = last_sequence(connection, job_id)
                fresh = [{"job": job_id, **row.model_dump()} for row in new if row.sequence > last]
                if fresh:
                    connection.execute(insert(epochs), fresh)
                    connection.execute(update(jobs).where(jobs.c.id == job_id).values(setbacks=0))
            return bool(connection.execute(select(jobs.c.pause).where(jobs.c.id == job_id)).scalar_one())

    @contextmanager
    def ending(self, job_id: str, attempt: int) -> Iterator[Ending]:
        """Hold the job while its end is carried out: until then nobody can cancel it or take it over.

        What is done inside must be short. Raises: Superseded.
        """
        with writing(self._engine) as connection:
            self._fenced(connection, job_id, attempt, {"attempt": attempt})
            yield Ending(connection, job_id, attempt, self._now())

    def fail(self, job_id: str, attempt: int, error: Failure) -> None:
        """Bring a running job to its end as failed. Raises: Superseded."""
        with self.ending(job_id, attempt) as end:
            end.fail(error)

    def release(self, job_id: str, attempt: int) -> None:
        """Give a paused job back to the queue. Raises: Superseded."""
        with writing(self._engine) as connection:
            self._fenced(connection, job_id, attempt, {"state": "queued", "pause": False})

    def lose(self, job_id: str, attempt: int, *, most: int, failure: Failure) -> None:
        """Note that a worker died under the job: back in the queue, or failed once `most` have died."""
        self._put_back(job_id, attempt, jobs.c.losses, most, failure)

    def set_back(self, job_id: str, attempt: int, *, most: int, failure: Failure) -> None:
        """Note that disk or database failed the job: back in the queue, or failed after `most` times in a row."""
        self._put_back(job_id, attempt, jobs.c.setbacks, most, failure)

    def due_webhooks(self, now: float, *, limit: int = 20) -> list[Job]:
        """Ended jobs whose webhook is to be tried, those least tried first; `now` in seconds since the epoch."""
        order = (jobs.c.webhook_tries, jobs.c.webhook_due)
        query = select(jobs).where(jobs.c.webhook_due <= now).order_by(*order).limit(limit)
        with reading(self._engine) as connection:
            return [to_job(row) for row in connection.execute(query)]

    def settle_webhook(self, job_id: str, *, tries: int, due: float | None) -> None:
        """Note a try; `due` is the time of the next one, or None for none."""
        with writing(self._engine) as connection:
            connection.execute(
                update(jobs).where(jobs.c.id == job_id).values(webhook_tries=tries, webhook_due=due)
            )

    def _take(self, connection: Connection, name: str, owner: str, seconds: float) -> Holding | None:
        one_at_a_time(connection, f"lease {name}")
        lease, now = read_lease(connection, name), self._now().timestamp()
        if (
            lease is not None
            and lease.owner != owner
            and lease.expires >= now
            and self._is_renewed(name, lease, seconds)
        ):
            return None
        return take_lease(connection, name, owner, now, seconds, before=lease)

    def _is_renewed(self, name: str, lease: Lease, seconds: float) -> bool:
        """Whether another's lease has not been as it is for all its time, seen from here: for where a clock was set
        back, or differs from this machine's, it would last long after its owner was gone."""
        before, since = self._seen.get(name, (None, 0.0))
        if before != lease:
            since = self._clock()
            self._seen[name] = lease, since
        return self._clock() - since <= seconds

    def _put_back(self, job_id: str, attempt: int, count: Column[int], most: int, failure: Failure) -> None:
        with suppress(Superseded), self.ending(job_id, attempt) as end:
            end.put_back(count, most, failure)

    def _stamp(self) -> str:
        return timestamp(self._now())

    def _fenced(self, connection: Connection, job_id: str, attempt: int, values: dict[str, Any]) -> None:
        if not connection.execute(of_attempt(job_id, attempt).values(**values)).rowcount:
            raise Superseded(id=job_id, attempt=attempt)


def _requeue(connection: Connection) -> int:
    running = update(jobs).where(jobs.c.state == "running")
    return connection.execute(running.values(state="queued", attempt=jobs.c.attempt + 1)).rowcount
