"""A job's diary: epochs to the database, checkpoints to disk, progress and pace, all under one attempt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.errors import TimedOut
from app.jobs import EpochRecord, JobQueue, Progress
from app.training.checkpoints import Checkpoint, Checkpoints, Finished
from core import committee
from core.arrays import Array
from core.committee import Round

_WRITE_SECONDS = 0.25  # how often the database hears of a run, and so how soon a run hears of its cancelling


class Paused(Exception):
    """The run has written its checkpoint and gives the job back."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The work that each candidate is expected to be, in multiplications: rows × weights × epochs.

    rows: that all members see in one epoch; epochs: that are expected, of at most `max_epochs`.
    """

    rows: int
    per_epoch: Mapping[str, float]
    epochs: Mapping[str, int]
    max_epochs: Mapping[str, int]

    @property
    def total(self) -> float:
        """The work of all candidates."""
        return sum(self.per_epoch[name] * self.epochs[name] for name in self.per_epoch)

    def done(self, finished: int, candidate: str, epochs: float) -> float:
        """The work behind a run that is `epochs` into a candidate, with `finished` candidates before it."""
        before = list(self.per_epoch)[:finished]
        return (
            sum(self.per_epoch[name] * self.epochs[name] for name in before)
            + min(epochs, self.epochs[candidate]) * self.per_epoch[candidate]
        )


@dataclass(kw_only=True)
class Journal:
    """Keeps the record of one attempt. Every write can raise Superseded: then the attempt is over.

    From its making on it can `look`; what is trained it can `follow` once it knows what to `expect`.
    """

    jobs: JobQueue
    checkpoints: Checkpoints
    job_id: str
    attempt: int
    clock: Callable[[], float]
    checkpoint_seconds: float
    max_runtime_seconds: float
    start: Checkpoint
    finished: tuple[Finished, ...] = ()
    sequence: int = 0
    _workload: Workload = field(init=False)
    _pending: list[EpochRecord] = field(default_factory=list)
    _progress: Progress | None = None
    _rows: int = 0
    _work: float = 0.0
    _began: float = 0.0
    _ready_at: float = 0.0
    _written: float = float("-inf")
    _saved: float = 0.0

    def __post_init__(self) -> None:
        self.finished, self.sequence = self.start.finished, self.start.sequence
        self._began = self._saved = self.clock()

    def expect(self, workload: Workload) -> None:
        """The rows are ready, and this is what is to be done with them."""
        self._workload, self._ready_at = workload, self.clock()

    @property
    def seconds(self) -> float:
        """Time since the job began, over all attempts that a checkpoint remembers."""
        return self.start.seconds + self.clock() - self._began

    def follow(self, candidate: str, epoch: Round) -> None:
        """Take note of a step of the training loop.

        Raises: Superseded, Paused, TimedOut.
        """
        self._rows += epoch.rows
        self._work += self._workload.per_epoch[candidate] * epoch.rows / self._workload.rows
        if epoch.fraction == 1:
            self.sequence += 1
            self._pending.append(self._record(candidate, epoch))
        now = self.clock()
        if self.seconds > self.max_runtime_seconds:
            raise TimedOut(limit=self.max_runtime_seconds)
        self._progress = self._measure(candidate, epoch)
        if now - self._written >= _WRITE_SECONDS and self.write():
            self.save(epoch)
            raise Paused
        if now - self._saved >= self.checkpoint_seconds:
            self.write()
            self.save(epoch)

    def look(self) -> None:
        """Whether the run is still wanted, where nothing is to be noted. Raises: as `follow`."""
        if self.seconds > self.max_runtime_seconds:
            raise TimedOut(limit=self.max_runtime_seconds)
        if self.clock() - self._written >= _WRITE_SECONDS and self.write():
            raise Paused

    def write(self) -> bool:
        """Bring what is pending to the database; True if the job is asked to pause."""
        self._written = self.clock()
        pause = self.jobs.record(self.job_id, self.attempt, self._pending, self._progress)
        self._pending.clear()
        return pause

    def save(self, epoch: Round) -> None:
        """Write a checkpoint; every epoch behind it is in the database by then."""
        self._saved = self.clock()
        arrays = committee.to_arrays(epoch.state)
        self.checkpoints.save(self.job_id, self.attempt, self._checkpoint(arrays))

    def close(self, finished: Finished) -> None:
        """A candidate is done: write all that is pending, and a checkpoint behind which the next one begins."""
        self.write()
        self.finished = (*self.finished, finished)
        self.checkpoints.save(self.job_id, self.attempt, self._checkpoint(None))

    def _checkpoint(self, state: dict[str, Array] | None) -> Checkpoint:
        return Checkpoint(finished=self.finished, state=state, sequence=self.sequence, seconds=self.seconds)

    def _record(self, candidate: str, epoch: Round) -> EpochRecord:
        return EpochRecord(
            sequence=self.sequence,
            candidate=candidate,
            epoch=epoch.number,
            train_loss=epoch.train_loss,
            validation_loss=epoch.validation_loss,
            validation_accuracy=epoch.validation_accuracy,
            learning_rate=epoch.learning_rate,
            seconds=round(self.seconds, 6),
        )

    def _measure(self, candidate: str, epoch: Round) -> Progress:
        elapsed = max(self.clock() - self._ready_at, 1e-9)
        epochs = epoch.number - 1 + epoch.fraction
        done = self._workload.done(len(self.finished), candidate, epochs)
        left = self._workload.total - done
        return Progress(
            epoch=epoch.number,
            max_epochs=self._workload.max_epochs[candidate],
            fraction=min(done / self._workload.total, 1.0),
            rows_per_second=self._rows / elapsed,
            eta_seconds=round(left * elapsed / self._work, 3) if self._work else None,
        )
