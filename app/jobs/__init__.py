"""Job, epoch and idempotency records: the only room that speaks SQL."""

from app.jobs.queue import JobQueue, Lead
from app.jobs.records import (
    Algorithm,
    EpochRecord,
    Failure,
    Hyperparameters,
    Job,
    NewJob,
    Progress,
    Promote,
    State,
)
from app.jobs.store import JobStore

__all__ = [
    "Algorithm",
    "EpochRecord",
    "Failure",
    "Hyperparameters",
    "Job",
    "JobQueue",
    "JobStore",
    "Lead",
    "NewJob",
    "Progress",
    "Promote",
    "State",
]
