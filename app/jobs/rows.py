"""Rows of the database as records."""

from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from app.errors import JobNotFound
from app.jobs.records import EpochRecord, Job
from app.jobs.tables import epochs, jobs


def read_job(connection: Connection, job_id: str) -> Job:
    known = "\0" not in job_id  # which PostgreSQL takes for no text
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first() if known else None
    if row is None:
        raise JobNotFound(id=job_id)
    return to_job(row)


def to_job(row: Row[Any]) -> Job:
    values = {name: value for name, value in row._mapping.items() if name in Job.model_fields}
    if row.verifies is not None:
        values["version"] = row.verifies
    if row.state in ("failed", "cancelled"):
        values["progress"] = {**row.progress, "eta_seconds": None}
    return Job.model_validate(values)


def read_epochs(connection: Connection, job_id: str, after: int, limit: int | None) -> list[EpochRecord]:
    query: Select[Any] = (
        select(epochs).where(epochs.c.job == job_id, epochs.c.sequence > after).order_by(epochs.c.sequence)
    )
    rows = connection.execute(query.limit(limit)).mappings()
    return [EpochRecord(**{k: v for k, v in row.items() if k != "job"}) for row in rows]


def last_sequence(connection: Connection, job_id: str) -> int:
    query = select(func.coalesce(func.max(epochs.c.sequence), 0)).where(epochs.c.job == job_id)
    return int(connection.execute(query).scalar_one())
