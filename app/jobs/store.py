"""The job records: submitted, claimed, written by one attempt at a time, and never lost."""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, Update, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.errors import Busy, Invalid, JobFinished, JobNotFound, KeyReused, Problem, Superseded
from app.jobs.database import connect, create_tables, reading, writing
from app.jobs.leases import take_lease
from app.jobs.records import FINAL, EpochRecord, Failure, Job, NewJob, Progress, State
from app.jobs.tables import epochs, idempotency, jobs

_RACES = 5  # two requests that meet at one unique key: the second try sees what the first wrote


def utc_now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z` and milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JobStore:
    """Job, epoch and idempotency records on SQLite or PostgreSQL.

    A job is written by one attempt at a time: every write of a running job names its attempt, and one that is no
    longer the newest, or whose job has ended, is refused with `Superseded`.
    """

    def __init__(self, url: str, *, now: Callable[[], datetime] = utc_now) -> None:
        self._engine: Engine = connect(url)
        self._now = now

    def prepare(self) -> None:
        """Make the tables that are missing."""
        create_tables(self._engine)

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    # --- the web side -------------------------------------------------------------------------------------------

    def submit(
        self,
        new: NewJob,
        *,
        version_floor: int = 0,
        max_queued: int = 1000,
        key: str | None = None,
        fingerprint: str = "",
        key_lifetime: timedelta = timedelta(hours=24),
    ) -> tuple[Job, bool]:
        """Accept a job and reserve its version number, above `version_floor` and every number given before.

        Returns: the job, and whether it is new; with `key`, a repeated request gets the job that the first made.
        Raises: KeyReused, if the key came before with another fingerprint; Busy, if `max_queued` jobs wait.
        """
        for race in range(_RACES):
            try:
                with writing(self._engine) as connection:
                    known = self._known(connection, key, fingerprint, key_lifetime) if key else None
                    if known is not None:
                        return known, False
                    self._check_room(connection, max_queued)
                    job = self._insert(connection, new, version_floor)
                    if key:
                        self._remember(connection, key, fingerprint, job.id)
                    return job, True
            except IntegrityError:
                if race == _RACES - 1:
                    raise
        raise AssertionError("unreachable")

    def recall(self, key: str, fingerprint: str) -> Job | None:
        """The job that an earlier request with this key made. Raises: KeyReused."""
        with reading(self._engine) as connection:
            return _recall(connection, key, fingerprint)

    def get(self, job_id: str) -> Job:
        """One job. Raises: JobNotFound."""
        with reading(self._engine) as connection:
            return _read(connection, job_id)

    def page(
        self,
        *,
        model: str | None = None,
        state: State | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Job], str | None]:
        """A page of jobs, newest first, and the cursor of the next page.

        Raises: Invalid, for a cursor that no page gave.
        """
        query = select(jobs).order_by(jobs.c.number.desc()).limit(limit + 1)
        if model is not None:
            query = query.where(jobs.c.model == model)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if cursor is not None:
            query = query.where(jobs.c.number < _cursor(cursor))
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        more = str(rows[limit - 1].number) if len(rows) > limit else None
        return [_job(row) for row in rows[:limit]], more

    def history(self, job_id: str, *, after: int = 0, limit: int | None = None) -> list[EpochRecord]:
        """The epochs of a job with a sequence above `after`, in order. Raises: JobNotFound."""
        with reading(self._engine) as connection:
            _read(connection, job_id)
            return _epochs(connection, job_id, after, limit)

    def since(self, job_id: str, after: int, *, limit: int = 1000) -> tuple[Job, list[EpochRecord]]:
        """A job and its epochs after `after`, from one snapshot: a job seen final has no epoch to come."""
        with reading(self._engine) as connection:
            return _read(connection, job_id), _epochs(connection, job_id, after, limit)

    def last_sequence(self, job_id: str) -> int:
        """The sequence of the newest epoch; 0 before the first."""
        with reading(self._engine) as connection:
            return _last_sequence(connection, job_id)

    def cancel(self, job_id: str) -> Job:
        """End a job as cancelled; whoever trains it is refused its next write.

        Raises: JobNotFound; JobFinished, also when the version is being published already.
        """
        with writing(self._engine) as connection:
            job = _read(connection, job_id)
            done = connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.state.not_in(FINAL), jobs.c.publishing.is_(False))
                .values(state="cancelled", finished_at=self._stamp())
            ).rowcount
            if not done:
                raise JobFinished(
                    id=job_id, state=job.state if job.finished else "begun to publish its version"
                )
            return _read(connection, job_id)

    def needing_dataset(self, dataset: str) -> str | None:
        """The id of an unfinished job that needs the dataset, if there is one."""
        return self._needing(jobs.c.dataset == dataset)

    def needing_model(self, ref: str) -> str | None:
        """The id of an unfinished job that starts from the version `name@7`, if there is one."""
        return self._needing(jobs.c.warm_start == ref)

    def last_version(self, model: str) -> int:
        """The highest version number ever reserved for a model; 0 if none."""
        with reading(self._engine) as connection:
            return _last_version(connection, model)

    # --- the training side --------------------------------------------------------------------------------------

    def hold_lease(self, name: str, owner: str, seconds: float) -> bool:
        """Take or keep the right to act as `name` for some seconds; False while another owner holds it."""
        with writing(self._engine) as connection:
            return take_lease(connection, name, owner, self._now().timestamp(), seconds)

    def claim(self) -> tuple[Job, int] | None:
        """The oldest queued job, now running under a higher attempt; None if nothing waits."""
        with writing(self._engine) as connection:
            query = select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.number).limit(1)
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
            job = _read(connection, job_id)
            return job, job.attempt

    def requeue_running(self) -> int:
        """Put every running job back in the queue: for a trainer that begins and so knows that nobody runs them."""
        with writing(self._engine) as connection:
            back = (
                update(jobs)
                .where(jobs.c.state == "running")
                .values(state="queued", attempt=jobs.c.attempt + 1)
            )
            return connection.execute(back).rowcount

    def request_pause(self) -> None:
        """Ask every running job to write a checkpoint and give itself back."""
        with writing(self._engine) as connection:
            connection.execute(update(jobs).where(jobs.c.state == "running").values(pause=True))

    def record(
        self, job_id: str, attempt: int, new: Sequence[EpochRecord] = (), progress: Progress | None = None
    ) -> bool:
        """Write epochs and progress; True if the job is asked to pause.

        Epochs already there are left as they are: a resumed run repeats them to the bit.
        Raises: Superseded.
        """
        values: dict[str, Any] = {"progress": progress.model_dump()} if progress else {"attempt": attempt}
        with writing(self._engine) as connection:
            self._fenced(connection, job_id, attempt, values)
            if new:
                last = _last_sequence(connection, job_id)
                fresh = [{"job": job_id, **row.model_dump()} for row in new if row.sequence > last]
                if fresh:
                    connection.execute(insert(epochs), fresh)
            return bool(connection.execute(select(jobs.c.pause).where(jobs.c.id == job_id)).scalar_one())

    def begin_publishing(self, job_id: str, attempt: int) -> None:
        """Pass the point after which a job can no longer be cancelled. Raises: Superseded."""
        with writing(self._engine) as connection:
            self._fenced(connection, job_id, attempt, {"publishing": True})

    def finish(
        self,
        job_id: str,
        attempt: int,
        state: State,
        *,
        hyperparameters: dict[str, Any] | None = None,
        metrics: dict[str, Any] | None = None,
        promoted: bool | None = None,
        error: Failure | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        """Bring a running job to its final state. Raises: Superseded."""
        values: dict[str, Any] = {
            "state": state,
            "finished_at": self._stamp(),
            "metrics": metrics,
            "promoted": promoted,
            "error": error.model_dump() if error else None,
        }
        if hyperparameters is not None:
            values["hyperparameters"] = hyperparameters
        with writing(self._engine) as connection:
            job = _read(connection, job_id)
            values["warnings"] = [*job.warnings, *(text for text in warnings if text not in job.warnings)]
            if state == "succeeded":
                values["progress"] = {**job.progress.model_dump(), "fraction": 1.0, "eta_seconds": 0.0}
            self._fenced(connection, job_id, attempt, values)

    def release(self, job_id: str, attempt: int) -> None:
        """Give a paused job back to the queue. Raises: Superseded."""
        with writing(self._engine) as connection:
            self._fenced(connection, job_id, attempt, {"state": "queued", "pause": False})

    def lose(self, job_id: str, attempt: int, *, most: int, failure: Failure) -> None:
        """Note that a worker died under the job: back in the queue, or failed once `most` have died."""
        with writing(self._engine) as connection:
            lost = connection.execute(
                select(jobs.c.losses).where(jobs.c.id == job_id, jobs.c.attempt == attempt)
            ).scalar()
            if lost is None:
                return
            ended = {"state": "failed", "error": failure.model_dump(), "finished_at": self._stamp()}
            values = ended if lost + 1 >= most else {"state": "queued"}
            connection.execute(
                _of_attempt(job_id, attempt).values(losses=lost + 1, attempt=jobs.c.attempt + 1, **values)
            )

    # --- inside -------------------------------------------------------------------------------------------------

    def _stamp(self) -> str:
        return timestamp(self._now())

    def _fenced(self, connection: Connection, job_id: str, attempt: int, values: dict[str, Any]) -> None:
        if not connection.execute(_of_attempt(job_id, attempt).values(**values)).rowcount:
            raise Superseded(id=job_id, attempt=attempt)

    def _needing(self, condition: Any) -> str | None:
        query = select(jobs.c.id).where(condition, jobs.c.state.not_in(FINAL)).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar()

    def _known(self, connection: Connection, key: str, fingerprint: str, lifetime: timedelta) -> Job | None:
        oldest = self._now().timestamp() - lifetime.total_seconds()
        connection.execute(idempotency.delete().where(idempotency.c.created < oldest))
        return _recall(connection, key, fingerprint)

    def _remember(self, connection: Connection, key: str, fingerprint: str, job_id: str) -> None:
        created = self._now().timestamp()
        connection.execute(
            insert(idempotency).values(key=key, fingerprint=fingerprint, job=job_id, created=created)
        )

    def _check_room(self, connection: Connection, most: int) -> None:
        waiting = select(func.count()).select_from(jobs).where(jobs.c.state == "queued")
        if connection.execute(waiting).scalar_one() >= most:
            raise Busy(reason=f"{most} jobs are waiting already (max_queued_jobs)", retry_after=30)

    def _insert(self, connection: Connection, new: NewJob, floor: int) -> Job:
        job_id = f"job_{secrets.token_hex(8)}"
        version = max(_last_version(connection, new.model), floor) + 1
        values = {**new.model_dump(), "given": new.given}
        connection.execute(
            insert(jobs).values(
                id=job_id,
                version=version,
                state="queued",
                progress=Progress().model_dump(),
                created_at=self._stamp(),
                **values,
            )
        )
        return _read(connection, job_id)


def _of_attempt(job_id: str, attempt: int) -> Update:
    return update(jobs).where(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state == "running")


def _recall(connection: Connection, key: str, fingerprint: str) -> Job | None:
    row = connection.execute(select(idempotency).where(idempotency.c.key == key)).first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise KeyReused(key=key, job=row.job)
    return _read(connection, row.job)


def _last_sequence(connection: Connection, job_id: str) -> int:
    query = select(func.coalesce(func.max(epochs.c.sequence), 0)).where(epochs.c.job == job_id)
    return int(connection.execute(query).scalar_one())


def _last_version(connection: Connection, model: str) -> int:
    query = select(func.coalesce(func.max(jobs.c.version), 0)).where(jobs.c.model == model)
    return int(connection.execute(query).scalar_one())


def _read(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    if row is None:
        raise JobNotFound(id=job_id)
    return _job(row)


def _job(row: Row[Any]) -> Job:
    return Job.model_validate(
        {name: value for name, value in row._mapping.items() if name in Job.model_fields}
    )


def _epochs(connection: Connection, job_id: str, after: int, limit: int | None) -> list[EpochRecord]:
    query: Select[Any] = (
        select(epochs).where(epochs.c.job == job_id, epochs.c.sequence > after).order_by(epochs.c.sequence)
    )
    rows = connection.execute(query.limit(limit)).mappings()
    return [EpochRecord(**{k: v for k, v in row.items() if k != "job"}) for row in rows]


def _cursor(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(Problem(message=f"{text!r} is not a cursor that a page gave", location="query.cursor"))
    return int(text)
