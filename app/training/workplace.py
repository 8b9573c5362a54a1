"""What training works with: the records, the data, the repository, a place for checkpoints, and the limits."""

from dataclasses import dataclass

from app.datasets.store import DatasetStore
from app.jobs import JobQueue
from app.repository.repository import Repository
from app.settings import Settings
from app.training.checkpoints import Checkpoints


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """The rooms that the trainer and a job's body share with the web side."""

    settings: Settings
    jobs: JobQueue
    datasets: DatasetStore
    repository: Repository
    checkpoints: Checkpoints
