"""One look at the database for all who watch a job: an epoch is encoded once, for any number of watchers."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import anyio.to_thread
from fastapi.sse import format_sse_event

from app.errors import StorageFailed
from app.jobs import EpochRecord, Job, JobStore

log = logging.getLogger("neurona.http")

_LOOK_SECONDS = 0.2
_WATCHER_SECONDS = 0.002  # added to that for each watcher: many see news a little later, at a bounded cost
_MOST_SECONDS = 2.0
_QUIET_SECONDS = 10.0  # without news, after which watchers hear that somebody is still there
_KEPT = 1000  # newest epochs kept at hand; who is further behind reads from the database
_PAGE = 1000
_JOINED = 8  # most watchers wait for the same; those who come from elsewhere are soon among them


@dataclass(frozen=True, kw_only=True)
class News:
    """A job as it stands, and what the watcher has not seen, as server-sent events."""

    job: Job
    epochs: bytes  # events of the epochs after the one that the watcher has seen; empty if there are none
    last: int  # the sequence of the newest of them
    state: bytes | None  # the event of a state that the watcher has not seen


@dataclass(kw_only=True)
class _Feed:
    job: Job
    first: int  # sequence of the oldest epoch kept
    events: list[bytes]  # of the epochs from there on, each encoded once
    state: bytes
    joined: dict[int, bytes] = field(default_factory=dict)  # what is newer than an epoch, for all who wait
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    quiet: asyncio.Event | None = None
    woken: float = field(default_factory=time.monotonic)
    watchers: int = 0
    broken: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def last(self) -> int:
        return self.first + len(self.events) - 1

    def after(self, sequence: int) -> bytes:
        if sequence not in self.joined:
            if len(self.joined) >= _JOINED:
                self.joined.clear()
            self.joined[sequence] = b"".join(self.events[sequence + 1 - self.first :])
        return self.joined[sequence]

    def add(self, job: Job, epochs: list[EpochRecord]) -> None:
        if job.state != self.job.state or (job.finished and job != self.job):
            self.state = _state_event(job)
        self.job = job
        self.events += map(_epoch_event, epochs)
        surplus = max(len(self.events) - _KEPT, 0)
        del self.events[:surplus]
        self.first += surplus
        self.joined.clear()

    def wake(self, *, quiet: bool = False) -> None:
        """Wake all watchers, with news or, if `quiet`, for a sign of life."""
        self.quiet = self.changed if quiet else None
        self.changed.set()
        self.changed = asyncio.Event()
        self.woken = time.monotonic()


class Feeds:
    """The jobs being watched in this process, each looked at by one task however many watch it."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._feeds: dict[str, _Feed] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End every watch, so that the server can stop."""
        self.closing.set()
        for feed in self._feeds.values():
            feed.wake()

    async def watch(self, job_id: str, after: int) -> AsyncGenerator[News | None, None]:
        """What is new after the epoch `after`, at once and then as it comes; last a final state without epochs.

        Yields None when nothing has come for ten seconds. Ends early when the server stops, or can no longer follow
        the job. Close it (`aclosing`) when done. Raises: JobNotFound, StorageFailed.
        """
        state: str | None = None
        feed = await self._join(job_id)
        try:
            while True:
                changed = feed.changed
                news = await self._news(feed, after, state)
                if news.epochs or news.state:
                    after = max(after, news.last)
                    state = news.job.state if news.state else state
                    yield news
                if news.epochs:
                    continue
                if news.job.finished or feed.broken or self.closing.is_set():
                    return
                await changed.wait()
                if changed is feed.quiet:
                    yield None
        finally:
            self._leave(job_id, feed)

    async def _news(self, feed: _Feed, after: int, state: str | None) -> News:
        """A final state is told alone, once all epochs have been."""
        job, epochs, last = feed.job, b"", after
        if after + 1 < feed.first:
            job, behind = await anyio.to_thread.run_sync(lambda: self._jobs.since(job.id, after, limit=_PAGE))
            epochs, last = b"".join(map(_epoch_event, behind)), behind[-1].sequence if behind else after
        elif after < feed.last:
            epochs, last = feed.after(after), feed.last
        told = state == job.state or (job.finished and bool(epochs))
        return News(job=job, epochs=epochs, last=last, state=None if told else _state_event_of(feed, job))

    async def _join(self, job_id: str) -> _Feed:
        try:
            async with self._opening.setdefault(job_id, asyncio.Lock()):  # many who come at once look once
                feed = self._feeds.get(job_id)
                if feed is None:
                    feed = await anyio.to_thread.run_sync(self._open, job_id)
                    self._feeds[job_id] = feed
                    if not feed.job.finished:
                        feed.task = asyncio.create_task(self._follow(feed))
                feed.watchers += 1
        finally:
            self._opening.pop(job_id, None)
        return feed

    def _leave(self, job_id: str, feed: _Feed) -> None:
        feed.watchers -= 1
        if feed.watchers == 0:
            if feed.task is not None:
                feed.task.cancel()
            if self._feeds.get(job_id) is feed:
                del self._feeds[job_id]

    def _open(self, job_id: str) -> _Feed:
        start = max(self._jobs.last_sequence(job_id) - _KEPT, 0)
        job, epochs = self._jobs.since(job_id, start, limit=2 * _KEPT)
        feed = _Feed(job=job, first=start + 1, events=[], state=_state_event(job))
        feed.add(job, epochs)
        return feed

    async def _follow(self, feed: _Feed) -> None:
        try:
            while not feed.job.finished:
                await asyncio.sleep(min(_LOOK_SECONDS + _WATCHER_SECONDS * feed.watchers, _MOST_SECONDS))
                await self._look(feed)
        except Exception:
            log.exception("job %s can no longer be followed", feed.job.id)
            feed.broken = True
            feed.wake()

    async def _look(self, feed: _Feed) -> None:
        try:
            job, new = await anyio.to_thread.run_sync(
                lambda: self._jobs.since(feed.job.id, feed.last, limit=_PAGE)
            )
        except StorageFailed:
            self._beat(feed)
            return  # the news will come once the database is back
        if job.finished and len(new) == _PAGE:
            job = feed.job  # there may be more epochs before the end
        changed = bool(new) or job.state != feed.job.state
        feed.add(job, new)
        if changed:
            feed.wake()
        else:
            self._beat(feed)

    def _beat(self, feed: _Feed) -> None:
        if time.monotonic() - feed.woken > _QUIET_SECONDS:
            feed.wake(quiet=True)


def _epoch_event(epoch: EpochRecord) -> bytes:
    return format_sse_event(event="epoch", id=str(epoch.sequence), data_str=epoch.model_dump_json())


def _state_event(job: Job) -> bytes:
    return format_sse_event(event="state", data_str=job.model_dump_json())


def _state_event_of(feed: _Feed, job: Job) -> bytes:
    return feed.state if job is feed.job else _state_event(job)
