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

from app.errors import StorageFailed, Unavailable
from app.jobs import Failure, Job, JobQueue
from app.machine import gigabytes, memory_available
from app.settings import Settings
from app.storage.folder import make_folder, reported
from app.telemetry import log_config
from app.training.cluster import call, has_workers, open_cluster
from app.training.leftovers import sweep_checkpoints
from app.training.mishaps import Broken, Lost, Mishap, SetBack

log = logging.getLogger("neurona.trainer")

_LOOK_SECONDS = 0.2  # between two looks for new jobs
_LEASE_SECONDS = 6.0
_RENEW_SECONDS = 2.0  # a renewal is a write to disk, so not at every look
_SETBACK_SECONDS = 5.0  # that disk and database get to recover
_RETRY_SECONDS = 1.0  # between two looks for a database that is away
_UNMANNED_SECONDS = 20.0  # a worker that died is replaced sooner, unless it died while it was being started
_SWEEP_SECONDS = 10.0
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
    _starved: dict[str, float] = field(default_factory=dict)  # the next job, and since when only memory lacks
    _mishaps: list[Mishap] = field(default_factory=list)
    _active: bool = False
    _renewed: float = float("-inf")
    _swept: float = float("-inf")

    def run(self) -> None:
        """Work until `stop` is set; then give every running job back with a checkpoint."""
        self._prepare()
        settings = self.settings
        while not self.stop.is_set():
            with open_cluster(
                settings.dask_address,
                workers=settings.trainer_workers,
                threads=settings.trainer_threads,
                niceness=settings.training_niceness,
                logs=log_config(settings),
            ) as client:
                log.info("trainer ready")
                self.ready.set()
                self._work(client)
            self._resign()
        self.jobs.close()

    def _prepare(self) -> None:
        """Make the data folder, and bring the database up to date as soon as there is one."""
        while not self.stop.is_set():
            try:
                with reported("make the data folder"):
                    make_folder(self.settings.data)
                self.jobs.prepare()
            except StorageFailed as error:
                log.warning("trainer waits: %s", error)
                self.stop.wait(_RETRY_SECONDS)
            else:
                return

    def _work(self, client: Client) -> None:
        """Take turns until `stop` is set, or the cluster has lost all its workers for good."""
        manned = self.clock()
        while not self.stop.wait(_LOOK_SECONDS):
            manned = self.clock() if has_workers(client) else manned
            if self.clock() - manned > _UNMANNED_SECONDS:
                log.error("the cluster has had no worker for %.0f s; another is made", _UNMANNED_SECONDS)
                return
            try:
                self._turn(client)
            except StorageFailed as error:
                log.warning("trainer waits: %s", error)
                self.stop.wait(_RETRY_SECONDS)
        self._give_back()

    def _turn(self, client: Client) -> None:
        if not self._hold_lease():
            return
        self._collect()
        if self.clock() - self._swept > _SWEEP_SECONDS:
            self._swept = self.clock()
            sweep_checkpoints(self.settings.data / "checkpoints", self.jobs)
        free = self.settings.trainer_workers - len(self._running) - len(self._mishaps)
        while free > 0 and (next_job := self._admitted()) is not None:
            if (claimed := self.jobs.claim(self.owner, only=next_job.id)) is None:
                return  # cancelled just now, or another trainer's: the next look will tell
            job, attempt = claimed
            log.info("job %s: attempt %d begins", job.id, attempt, extra={"job_id": job.id})
            key = f"job-{job.id}-{attempt}"
            future = client.submit(
                call, self.body, self.settings.without_secrets(), job.id, attempt, key=key, pure=False
            )
            self._running[future] = (job.id, attempt)
            free -= 1

    def _admitted(self) -> Job | None:
        """The next job, if there is memory for it (on a cluster that others run, always)."""
        job = self.jobs.next()
        if job is None:
            self._starved.clear()
            return None
        free = None if self.settings.dask_address else self.memory()
        if free is None or job.memory_bytes <= free:
            self._starved.clear()
            return job
        shortage = f"needs about {gigabytes(job.memory_bytes)}, {gigabytes(free)} free"
        if job.id not in self._starved:
            log.warning("job %s waits for memory: %s", job.id, shortage, extra={"job_id": job.id})
            self.jobs.warn(job.id, f"waits for memory: {shortage}")
        if self._running:
            self._starved[job.id] = self.clock()  # it may be what runs now that has the memory
        elif (
            self.clock() - self._starved.setdefault(job.id, self.clock()) > self.settings.memory_wait_seconds
        ):
            self._starve(job.id, shortage)
        return None

    def _starve(self, job_id: str, shortage: str) -> None:
        if claimed := self.jobs.claim(self.owner, only=job_id):
            message = f"it {shortage}, for longer than memory_wait_seconds; use fewer rows or more memory"
            self.jobs.fail(claimed[0].id, claimed[1], Failure(code="out_of_memory", message=message))

    def _hold_lease(self) -> bool:
        """Whether this trainer is the active one. Becoming it, it takes over what the one before left running."""
        if self.clock() - self._renewed < _RENEW_SECONDS:
            return self._active
        self._renewed = self.clock()
        lead = self.jobs.lead(self.owner, _LEASE_SECONDS)
        # Also after a long sleep, when others may have come and gone meanwhile.
        if lead is None or lead.fresh:
            self._running.clear()
            self._mishaps.clear()
        if lead is not None and lead.fresh:
            log.info("trainer active, %d jobs taken over", lead.taken_over)
        self._active = lead is not None
        return self._active

    def _resign(self) -> None:
        """Let another trainer, or this one with another cluster, begin at once with what this one leaves."""
        try:
            self.jobs.resign(self.owner)
        except StorageFailed as error:
            log.warning("the next trainer waits for the lease to expire: %s", error)
        self.owner = secrets.token_hex(8)
        self._active, self._renewed = False, float("-inf")

    def _collect(self) -> None:
        """See to the jobs whose Dask task has ended, and to those whose time to be tried again has come."""
        for future in [each for each in self._running if each.done()]:
            job_id, attempt = self._running.pop(future)
            error = future.exception() if future.status == "error" else None
            if error is None and future.status == "finished":
                log.info("job %s: attempt %d %s", job_id, attempt, future.result(), extra={"job_id": job_id})
            else:
                self._mishaps.append(self._mishap(job_id, attempt, error))
        for mishap in [each for each in self._mishaps if each.due <= self.clock()]:
            mishap.settle(self.jobs)
            self._mishaps.remove(mishap)

    def _mishap(self, job_id: str, attempt: int, error: BaseException | None) -> Mishap:
        named = {"job_id": job_id}
        if isinstance(error, KilledWorker):
            log.warning("job %s: the worker of attempt %d died", job_id, attempt, extra=named)
            return Lost(job_id=job_id, attempt=attempt, due=self.clock(), most=self.settings.max_attempts)
        if error is None:  # a scheduler that went away or was restarted, which says nothing about the job
            error = Unavailable(reason="The Dask cluster let go of this job again and again.")
        if isinstance(error, StorageFailed | Unavailable):
            log.warning("job %s: attempt %d was set back: %s", job_id, attempt, error, extra=named)
            due, most = self.clock() + _SETBACK_SECONDS, self.settings.max_setbacks
            return SetBack(job_id=job_id, attempt=attempt, due=due, most=most, error=error)
        log.error("job %s: attempt %d broke", job_id, attempt, exc_info=error, extra=named)
        return Broken(job_id=job_id, attempt=attempt, due=self.clock(), error=error)

    def _give_back(self) -> None:
        if not self._running:
            return
        try:
            self.jobs.request_pause()
        except StorageFailed as error:
            log.warning("jobs could not be paused, they go on from their last checkpoint: %s", error)
            return
        until = self.clock() + _PAUSE_SECONDS
        for future in self._running:
            try:
                future.result(timeout=max(until - self.clock(), 0.1))
            except Exception as error:
                log.warning("a job did not pause in time and goes on from its last checkpoint: %s", error)
