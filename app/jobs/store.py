"""The job records as the web side sees them: submitted, looked up, cancelled."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, func, insert, or_, select, update

from app.errors import Busy, DatasetInUse, JobFinished, KeyReused, VersionInUse
from app.jobs.database import connect, one_at_a_time, reading, writing
from app.jobs.ending import final
from app.jobs.feedback import forget
from app.jobs.records import FINAL, EpochRecord, Job, Kind, NewJob, Progress, State
from app.jobs.rows import last_sequence, read_epochs, read_job, to_job
from app.jobs.schema import bring_up_to_date
from app.jobs.tables import epochs, idempotency, jobs
from app.times import timestamp, utc_now

_LAST = 2**31 - 1  # the largest number of a row
_LIFETIME = timedelta(hours=24)  # of a key


class JobStore:
    """Job, epoch and idempotency records on SQLite or PostgreSQL."""

    def __init__(self, url: str, *, now: Callable[[], datetime] = utc_now) -> None:
        self._engine: Engine = connect(url)
        self._now = now
        self._prepared = False

    def prepare(self) -> None:
        """Bring the tables to this release's shape."""
        bring_up_to_date(self._engine)
        self._prepared = True

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    def submit(
        self,
        new: NewJob,
        *,
        version_floor: int = 0,
        max_queued: int = 1000,
        key: str | None = None,
        fingerprint: str = "",
        key_lifetime: timedelta = _LIFETIME,
        check: Callable[[], object] = lambda: None,
    ) -> tuple[Job, bool]:
        """Accept a job and reserve its version number, above `version_floor` and every number given before.

        A verification reserves none.

        `check` looks once more whether all that the job needs is there, while nobody can delete it (`unneeded`).
        Returns: the job, and whether it is new; with `key`, a repeated request gets the job that the first made.
        Raises: KeyReused, if the key came before with another fingerprint; Busy, if `max_queued` jobs wait;
        whatever `check` raises; StorageFailed, also for a database of a later release, where nobody would train it.
        """
        if not self._prepared:
            self.prepare()
        with writing(self._engine) as connection:
            one_at_a_time(connection, "submit")
            known = self._known(connection, key, fingerprint, key_lifetime) if key else None
            if known is not None:
                return known, False
            self._check_room(connection, max_queued)
            check()
            job = self._insert(connection, new, version_floor)
            if key:
                self._remember(connection, key, fingerprint, job.id)
            return job, True

    def recall(self, key: str, fingerprint: str, lifetime: timedelta = _LIFETIME) -> Job | None:
        """The job that a request with this key made, if that was within `lifetime`. Raises: KeyReused."""
        with reading(self._engine) as connection:
            return _recall(connection, key, fingerprint, since=self._since(lifetime))

    def get(self, job_id: str) -> Job:
        """One job. Raises: JobNotFound."""
        with reading(self._engine) as connection:
            return read_job(connection, job_id)

    def page(
        self,
        *,
        model: str | None = None,
        state: State | None = None,
        kind: Kind | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> tuple[list[Job], int | None]:
        """A page of jobs, newest first, and the number that those of the next page come before."""
        if model is not None and "\0" in model:  # which PostgreSQL takes for no text
            return [], None
        query = select(jobs).order_by(jobs.c.number.desc()).limit(limit + 1)
        if model is not None:
            query = query.where(jobs.c.model == model)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        if before is not None:
            query = query.where(jobs.c.number < min(before, _LAST))
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        more = rows[limit - 1].number if len(rows) > limit else None
        return [to_job(row) for row in rows[:limit]], more

    def history(self, job_id: str, *, after: int = 0, limit: int | None = None) -> list[EpochRecord]:
        """The epochs of a job with a sequence above `after`, in order. Raises: JobNotFound."""
        with reading(self._engine) as connection:
            read_job(connection, job_id)
            return read_epochs(connection, job_id, after, limit)

    def since(self, job_id: str, after: int, *, limit: int = 1000) -> tuple[Job, list[EpochRecord]]:
        """A job and its epochs after `after`, from one snapshot: a job seen final has no epoch to come."""
        with reading(self._engine) as connection:
            return read_job(connection, job_id), read_epochs(connection, job_id, after, limit)

    def last_sequence(self, job_id: str) -> int:
        """The sequence of the newest epoch; 0 before the first."""
        with reading(self._engine) as connection:
            return last_sequence(connection, job_id)

    def statistics(self) -> tuple[dict[State, int], int, float]:
        """Jobs by state, every epoch ever trained, and the rows a second of the jobs that run."""
        with reading(self._engine) as connection:
            found = connection.execute(
                select(jobs.c.state, func.count().label("count")).group_by(jobs.c.state)
            ).all()
            trained = connection.execute(select(func.count()).select_from(epochs)).scalar_one()
            running = connection.execute(select(jobs.c.progress).where(jobs.c.state == "running")).scalars()
            rate = sum(progress.get("rows_per_second") or 0.0 for progress in running)
        counts: dict[State, int] = dict.fromkeys(("queued", "running", *FINAL), 0)
        counts.update({row.state: row.count for row in found})
        return counts, trained, rate

    def cancel(self, job_id: str, *, check: Callable[[Job], object] = lambda _: None) -> Job:
        """End a job as cancelled; whoever trains it is refused its next write.

        `check` looks whether that may still be, while nobody can bring the job to another end.
        Raises: JobNotFound; JobFinished; whatever `check` raises.
        """
        with writing(self._engine) as connection:
            unfinished = update(jobs).where(jobs.c.id == job_id, jobs.c.state.not_in(FINAL))
            done = connection.execute(unfinished.values(**final("cancelled", self._now()))).rowcount
            job = read_job(connection, job_id)
            if not done:
                raise JobFinished(id=job_id, state=job.state)
            check(job)
            return job

    @contextmanager
    def dataset_unneeded(self, dataset: str) -> Iterator[None]:
        """Within the block no job is accepted, and none that is unfinished needs the dataset.

        Raises: DatasetInUse.
        """
        with self._quiet() as connection:
            if (job := _needing(connection, jobs.c.dataset == dataset)) is not None:
                raise DatasetInUse(id=dataset, job=job)
            yield

    @contextmanager
    def version_unneeded(self, name: str, versions: Sequence[int]) -> Iterator[None]:
        """Within the block no job is accepted, and none that is unfinished starts from one of the versions, or is
        about one.

        Raises: VersionInUse.
        """
        with self._quiet() as connection:
            _check_unneeded(connection, name, versions)
            yield

    @contextmanager
    def model_unneeded(self, name: str, versions: Sequence[int]) -> Iterator[None]:
        """As `version_unneeded` for all versions of a model; if the block succeeds, its feedback goes as well."""
        with self._quiet() as connection:
            _check_unneeded(connection, name, versions)
            forget(connection, name)
            yield

    def _stamp(self) -> str:
        return timestamp(self._now())

    @contextmanager
    def _quiet(self) -> Iterator[Connection]:
        with writing(self._engine) as connection:
            one_at_a_time(connection, "submit")
            yield connection

    def _known(self, connection: Connection, key: str, fingerprint: str, lifetime: timedelta) -> Job | None:
        since = self._since(lifetime)
        connection.execute(idempotency.delete().where(idempotency.c.created < since))
        return _recall(connection, key, fingerprint, since=since)

    def _since(self, lifetime: timedelta) -> float:
        return self._now().timestamp() - lifetime.total_seconds()

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
        if new.kind == "verify":
            version = _least_version(connection, new.model) - 1
        values = {name: getattr(new, name) for name in NewJob.model_fields if name != "webhook"}
        values["feedback"] = new.feedback and new.feedback.model_dump()
        webhook = new.webhook and {"url": new.webhook.url, "secret": new.webhook.secret}
        connection.execute(
            insert(jobs).values(
                id=job_id,
                version=version,
                state="queued",
                attempt=0,
                progress=Progress().model_dump(),
                created_at=self._stamp(),
                webhook=webhook,
                **values,
            )
        )
        return read_job(connection, job_id)


def _last_version(connection: Connection, model: str) -> int:
    query = select(func.max(jobs.c.version)).where(jobs.c.model == model, jobs.c.version > 0)
    return int(connection.execute(query).scalar_one() or 0)


def _least_version(connection: Connection, model: str) -> int:
    """The least number of a verification; 0 if there was none."""
    query = select(func.min(jobs.c.version)).where(jobs.c.model == model, jobs.c.version < 0)
    return int(connection.execute(query).scalar_one() or 0)


def _needing(connection: Connection, condition: Any) -> str | None:
    query = select(jobs.c.id).where(condition, jobs.c.state.not_in(FINAL)).limit(1)
    return connection.execute(query).scalar()


def _check_unneeded(connection: Connection, name: str, versions: Sequence[int]) -> None:
    for version in versions:
        about = and_(jobs.c.model == name, jobs.c.verifies == version)
        needing = or_(jobs.c.warm_start == f"{name}@{version}", about)
        if (job := _needing(connection, needing)) is not None:
            raise VersionInUse(name=name, version=version, by=f"job {job}")


def _recall(connection: Connection, key: str, fingerprint: str, *, since: float) -> Job | None:
    query = select(idempotency).where(idempotency.c.key == key, idempotency.c.created >= since)
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise KeyReused(key=key, job=row.job)
    return read_job(connection, row.job)
