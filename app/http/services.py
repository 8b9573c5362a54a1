"""What the web side works with; built in `app.bootstrap`, handed to `create_app`."""

import logging
from dataclasses import dataclass

from app.datasets.store import DatasetStore
from app.errors import StorageFailed
from app.http.keys import Keys
from app.http.meters import Meters
from app.jobs import JobStore
from app.repository.cache import ModelCache
from app.repository.repository import Repository
from app.serving.predictor import Predictor
from app.settings import Settings
from app.training.watch import TrainerWatch

log = logging.getLogger("neurona")


@dataclass(frozen=True, kw_only=True)
class Services:
    """The rooms behind the routes."""

    settings: Settings
    jobs: JobStore
    datasets: DatasetStore
    repository: Repository
    cache: ModelCache
    predictor: Predictor
    keys: Keys
    meters: Meters
    trainer: TrainerWatch | None

    def start(self) -> None:
        """Make ready what needs it. Without a usable data folder the server still predicts."""
        self.cache.sweep()
        try:
            self.repository.sweep()
            self.settings.data.mkdir(parents=True, exist_ok=True)
            self.jobs.prepare()
            self.datasets.sweep()
            if self.trainer is not None:
                self.trainer.start()
        except (StorageFailed, OSError) as error:
            log.warning("no training here, predictions only: %s", error)

    def begin_to_stop(self) -> None:
        """Have the trainer write its checkpoints and end, and wait for nothing."""
        if self.trainer is not None:
            self.trainer.ask_to_stop()

    def stop(self) -> None:
        """Let the trainer write its checkpoints and end; close the database."""
        if self.trainer is not None:
            self.trainer.stop()
        self.jobs.close()
