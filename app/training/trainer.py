"""The trainer: takes queued jobs from the database and sees each to its end on the Dask cluster.

It keeps records and watches; what a job needs (arrays, Arrow, the repository) is loaded by the workers alone.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from app.errors import NeuronaError, StorageFailed, WorkerLost
from app.jobs import Failure, JobQueue
from app.settings import Settings
from app.training.cluster import call, open_cluster
from app.training.failure import failure_of

log = logging.getLogger("neurona.trainer")

_LOOK_SECONDS = 0.1  # between two looks for new jobs
_LEASE_SECONDS = 6.0
_RENEW_SECONDS = 2.0  # a renewal is a write to disk, so not at every look
_PAUSE_SECONDS = 5.0  # that running jobs get to write a checkpoint at shutdown


@dataclass(kw_only=True)
class Trainer:
    """One active trainer a database; a second one waits until the first has been silent for some seconds."""

    settings: Settings
    jobs: JobQueue
    body: str  # "module:function", called in the worker with (settings, job id, attempt)
    stop: threading.Event
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    clock: Callable[[], float] = time.monotonic
    ready: threading.Event = field(default_factory=threading.Event)  # set once it may hold jobs
    _running: dict[Future[str], tuple[str, int]] = field(default_factory=dict)
    _active: bool = False
    _renewed: float = float("-inf")

    def run(self) -> None:
        """Work until `stop` is set; then give every running job back with a checkpoint."""
        self.jobs.prepare()
        settings = self.settings
        with open_cluster(
            settings.dask_address, workers=settings.trainer_workers, threads=settings.trainer_threads
        ) as client:
            log.info("trainer ready")
            self.ready.set()
            while not self.stop.wait(_LOOK_SECONDS):
                try:
                    self._turn(client)
                except StorageFailed as error:
                    log.warning("trainer waits: %s", error)
                    self.stop.wait(1.0)
            self._give_back()
        self.jobs.close()

    def _turn(self, client: Client) -> None:
        if not self._hold_lease():
            self._running.clear()
            return
        self._collect()
        free = self.settings.trainer_workers - len(self._running)
        while free > 0 and self.jobs.waiting() and (claimed := self.jobs.claim()):
            job, attempt = claimed
            log.info("job %s: attempt %d begins", job.id, attempt)
            key = f"job-{job.id}-{attempt}"
            future = client.submit(call, self.body, self.settings, job.id, attempt, key=key, pure=False)
            self._running[future] = (job.id, attempt)
            free -= 1

    def _hold_lease(self) -> bool:
        """Whether this trainer is the active one. Becoming it, it takes over what the one before left running."""
        if self.clock() - self._renewed < _RENEW_SECONDS:
            return self._active
        self._renewed = self.clock()
        held = self.jobs.hold_lease("trainer", self.owner, _LEASE_SECONDS)
        if held and not self._active:
            log.info("trainer active, %d jobs taken over", self.jobs.requeue_running())
        self._active = held
        return held

    def _collect(self) -> None:
        """See to the jobs whose Dask task has ended."""
        for future in [each for each in self._running if each.done()]:
            job_id, attempt = self._running.pop(future)
            error = future.exception() if future.status == "error" else None
            if isinstance(error, KilledWorker) or future.status in ("cancelled", "lost"):
                self._lost(job_id, attempt)
            elif error is not None:
                log.error("job %s: attempt %d broke", job_id, attempt, exc_info=error)
                self._broke(job_id, attempt, error)
            else:
                log.info("job %s: attempt %d %s", job_id, attempt, future.result())

    def _lost(self, job_id: str, attempt: int) -> None:
        most = self.settings.max_attempts
        failure = WorkerLost(times=most)
        log.warning("job %s: the worker of attempt %d died", job_id, attempt)
        self.jobs.lose(job_id, attempt, most=most, failure=Failure(code=failure.code, message=str(failure)))

    def _broke(self, job_id: str, attempt: int, error: BaseException) -> None:
        try:
            self.jobs.finish(job_id, attempt, "failed", error=failure_of(error))
        except NeuronaError:
            return  # the body had already brought the job to its end

    def _give_back(self) -> None:
        if not self._running:
            return
        try:
            self.jobs.request_pause()
        except StorageFailed as error:
            log.warning("jobs could not be paused, they go on from their last checkpoint: %s", error)
            return
        for future in self._running:
            try:
                future.result(timeout=_PAUSE_SECONDS)
            except Exception as error:
                log.warning("a job did not pause in time and goes on from its last checkpoint: %s", error)
