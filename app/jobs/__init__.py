"""Job, epoch and idempotency records: the only room that speaks SQL."""

from app.jobs.database import check_database
from app.jobs.feedback import Feedback, FeedbackStore, NewFeedback, Standing
from app.jobs.queue import JobQueue, Lead
from app.jobs.records import (
    Algorithm,
    EpochRecord,
    Failure,
    FeedbackUse,
    Hyperparameters,
    Job,
    Kind,
    NewJob,
    Progress,
    Promote,
    State,
    Time,
)
from app.jobs.store import JobStore

__all__ = [
    "Algorithm",
    "EpochRecord",
    "Failure",
    "Feedback",
    "FeedbackStore",
    "FeedbackUse",
    "Hyperparameters",
    "Job",
    "JobQueue",
    "JobStore",
    "Kind",
    "Lead",
    "NewFeedback",
    "NewJob",
    "Progress",
    "Promote",
    "Standing",
    "State",
    "Time",
    "check_database",
]
