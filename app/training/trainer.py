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

from app.errors import StorageFailed
from app.jobs import Failure, JobQueue
from app.machine import gigabytes, memory_available
from app.settings import Settings
from app.training.cluster import call, open_cluster
from app.training.mishaps import Broken, Lost, Mishap, SetBack

log = logging.getLogger("neurona.trainer")

_LOOK_SECONDS = 0.1  # between two looks for new jobs
_LEASE_SECONDS = 6.0
_RENEW_SECONDS = 2.0  # a renewal is a write to disk, so not at every look
_SETBACK_SECONDS = 5.0  # that disk and database get to recover
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
    memory: Callable[[], int | None] = memory_available
    ready: threading.Event = field(default_factory=threading.Event)  # set once it may hold jobs
    _running: dict[Future[str], tuple[str, int]] = field(default_factory=dict)
    _starved: dict[str, float] = field(default_factory=dict)
    _mishaps: list[Mishap] = field(default_factory=list)
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
            self._mishaps.clear()
            return
        self._collect()
        free = self.settings.trainer_workers - len(self._running) - len(self._mishaps)
        while free > 0 and self._admitted() and (claimed := self.jobs.claim()):
            job, attempt = claimed
            log.info("job %s: attempt %d begins", job.id, attempt)
            key = f"job-{job.id}-{attempt}"
            future = client.submit(call, self.body, self.settings, job.id, attempt, key=key, pure=False)
            self._running[future] = (job.id, attempt)
            free -= 1

    def _admitted(self) -> bool:
        """Whether the next job can begin: there is one, and memory for it (on a cluster of its own, always)."""
        job = self.jobs.next()
        if job is None:
            return False
        free = None if self.settings.dask_address else self.memory()
        if free is None or job.memory_bytes <= free:
            return True
        shortage = f"needs about {gigabytes(job.memory_bytes)}, {gigabytes(free)} free"
        if job.id not in self._starved:
            log.warning("job %s waits for memory: %s", job.id, shortage)
            self.jobs.warn(job.id, f"waits for memory: {shortage}")
        if self._running:
            self._starved[job.id] = self.clock()  # it may be what runs now that has the memory
        elif (
            self.clock() - self._starved.setdefault(job.id, self.clock()) > self.settings.memory_wait_seconds
        ):
            self._starve(shortage)
        return False

    def _starve(self, shortage: str) -> None:
        if claimed := self.jobs.claim():
            message = f"it {shortage}, for longer than memory_wait_seconds; use fewer rows or more memory"
            self.jobs.fail(claimed[0].id, claimed[1], Failure(code="out_of_memory", message=message))

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
        """See to the jobs whose Dask task has ended, and to those whose time to be tried again has come."""
        for future in [each for each in self._running if each.done()]:
            job_id, attempt = self._running.pop(future)
            error = future.exception() if future.status == "error" else None
            if error is None and future.status == "finished":
                log.info("job %s: attempt %d %s", job_id, attempt, future.result())
            else:
                self._mishaps.append(self._mishap(job_id, attempt, error))
        for mishap in [each for each in self._mishaps if each.due <= self.clock()]:
            mishap.settle(self.jobs)
            self._mishaps.remove(mishap)

    def _mishap(self, job_id: str, attempt: int, error: BaseException | None) -> Mishap:
        if error is None or isinstance(error, KilledWorker):
            log.warning("job %s: the worker of attempt %d died", job_id, attempt)
            return Lost(job_id=job_id, attempt=attempt, due=self.clock(), most=self.settings.max_attempts)
        if isinstance(error, StorageFailed):
            log.warning("job %s: attempt %d was set back: %s", job_id, attempt, error)
            return SetBack(job_id=job_id, attempt=attempt, due=self.clock() + _SETBACK_SECONDS, error=error)
        log.error("job %s: attempt %d broke", job_id, attempt, exc_info=error)
        return Broken(job_id=job_id, attempt=attempt, due=self.clock(), error=error)

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
