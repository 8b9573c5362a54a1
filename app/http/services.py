"""What the web side works with; built in `app.bootstrap`, handed to `create_app`."""

import logging
import threading
from dataclasses import dataclass, field
from itertools import chain, repeat

from app.datasets.store import DatasetStore
from app.errors import StorageFailed
from app.http.drift import Drifts
from app.http.keys import Keys
from app.http.meters import Meters
from app.jobs import FeedbackStore, JobStore
from app.repository.cache import ModelCache
from app.repository.repository import Repository
from app.serving.predictor import Predictor
from app.settings import Settings
from app.watch import TrainerWatch

log = logging.getLogger("neurona")

_PAUSES = (1.0, 2.0, 5.0, 5.0, 10.0, 30.0)  # between two tries to find database and folders usable


@dataclass(frozen=True, kw_only=True)
class Services:
    """The rooms behind the routes."""

    settings: Settings
    jobs: JobStore
    feedback: FeedbackStore
    datasets: DatasetStore
    repository: Repository
    cache: ModelCache
    predictor: Predictor
    keys: Keys
    meters: Meters
    drifts: Drifts
    trainer: TrainerWatch | None
    stopping: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    _starting: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Make ready what needs it. Without a usable data folder the server still predicts, and tries again.

        What was stopped may be started again.
        """
        self.started.set()
        self.stopping.clear()
        self.cache.sweep()
        if not self._prepared():
            threading.Thread(target=self._prepare_later, name="prepare", daemon=True).start()

    def start_once(self) -> None:
        """For a host that tells an application nothing of its life (ASGI leaves it free): start with a request."""
        with self._starting:
            if not self.started.is_set():
                self.start()

    def _prepared(self) -> bool:
        """Whether database and folders are ready; then there is a trainer, too."""
        try:
            self.repository.sweep()
            self.settings.data.mkdir(parents=True, exist_ok=True)
            self.jobs.prepare()
            self.datasets.sweep()
        except (StorageFailed, OSError) as error:
            log.warning("no training here, predictions only: %s", error)
            return False
        if self.trainer is not None and not self.stopping.is_set():
            self.trainer.start()
        return True

    def _prepare_later(self) -> None:
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            if self.stopping.wait(pause) or self._prepared():
                return

    def begin_to_stop(self) -> None:
        """Have the trainer write its checkpoints and end, and wait for nothing."""
        self.stopping.set()
        if self.trainer is not None:
            self.trainer.ask_to_stop()

    def stop(self) -> None:
        """Let the trainer write its checkpoints and end; load no more models, and close the database."""
        self.stopping.set()
        if self.trainer is not None:
            self.trainer.stop()
        self.cache.close()
        self.jobs.close()
        self.feedback.close()
