"""One look at the database for all who watch a job: new epochs and states, handed to any number of watchers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio.to_thread

from app.errors import StorageFailed
from app.jobs import EpochRecord, Job, JobStore

_LOOK_SECONDS = 0.2
_KEPT = 2000  # newest epochs kept at hand; who is further behind reads from the database


@dataclass(frozen=True, kw_only=True)
class News:
    """A job as it stands, and epochs that the watcher has not seen."""

    job: Job
    epochs: list[EpochRecord]


@dataclass(kw_only=True)
class _Feed:
    job: Job
    epochs: list[EpochRecord]
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: int = 0
    task: asyncio.Task[None] | None = None


class Feeds:
    """The jobs being watched in this process, each looked at by one task however many watch it."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._feeds: dict[str, _Feed] = {}
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End every watch, so that the server can stop."""
        self.closing.set()
        for feed in self._feeds.values():
            feed.changed.set()

    async def watch(self, job_id: str, after: int, *, idle_seconds: float) -> AsyncIterator[News | None]:
        """What is new after the epoch `after`, at once and then as it comes; last a final state without epochs.

        Yields None whenever nothing came for `idle_seconds`. Raises: JobNotFound.
        """
        state: str | None = None
        feed = await self._join(job_id)
        try:
            while True:
                changed = feed.changed
                news = await self._news(feed, after)
                if news.epochs or news.job.state != state or news.job.finished:
                    state = news.job.state
                    after = news.epochs[-1].sequence if news.epochs else after
                    yield news
                if news.epochs:
                    continue
                if news.job.finished or self.closing.is_set():
                    return
                if not await _within(changed, idle_seconds):
                    yield None
        finally:
            self._leave(job_id, feed)

    async def _news(self, feed: _Feed, after: int) -> News:
        kept, job = feed.epochs, feed.job
        if kept and kept[0].sequence > after + 1:
            job_now, epochs = await anyio.to_thread.run_sync(self._jobs.since, job.id, after)
            return News(job=job_now, epochs=epochs)
        behind = after + 1 - kept[0].sequence if kept else 0
        return News(job=job, epochs=kept[behind:])

    async def _join(self, job_id: str) -> _Feed:
        if job_id not in self._feeds:
            job, epochs = await anyio.to_thread.run_sync(self._look, job_id)
            feed = self._feeds.setdefault(job_id, _Feed(job=job, epochs=epochs))
            if feed.task is None and not feed.job.finished:
                feed.task = asyncio.create_task(self._follow(feed))
        feed = self._feeds[job_id]
        feed.watchers += 1
        return feed

    def _leave(self, job_id: str, feed: _Feed) -> None:
        feed.watchers -= 1
        if feed.watchers == 0:
            if feed.task is not None:
                feed.task.cancel()
            self._feeds.pop(job_id, None)

    def _look(self, job_id: str) -> tuple[Job, list[EpochRecord]]:
        last = self._jobs.last_sequence(job_id)
        return self._jobs.since(job_id, max(last - _KEPT, 0), limit=2 * _KEPT)

    async def _follow(self, feed: _Feed) -> None:
        while not feed.job.finished:
            await asyncio.sleep(_LOOK_SECONDS)
            last = feed.epochs[-1].sequence if feed.epochs else 0
            try:
                job, new = await anyio.to_thread.run_sync(self._jobs.since, feed.job.id, last)
            except StorageFailed:
                continue  # watchers get their heartbeats, and the news once the database is back
            if new or job.state != feed.job.state:
                feed.epochs = [*feed.epochs, *new][-_KEPT:]
                feed.job = job
                feed.changed.set()
                feed.changed = asyncio.Event()
            else:
                feed.job = job


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
