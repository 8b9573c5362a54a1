"""A database of its own for every test, and a clock that the test moves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.jobs import JobQueue, JobStore, NewJob


@dataclass
class Clock:
    moment: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'neurona.db'}"


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[JobStore]:
    store = JobStore(url, now=clock)
    store.prepare()
    yield store
    store.close()


@pytest.fixture
def queue(url: str, clock: Clock, store: JobStore) -> Iterator[JobQueue]:
    queue = JobQueue(url, now=clock)
    yield queue
    queue.close()


@pytest.fixture
def new_job() -> Callable[..., NewJob]:
    return lambda model="iris", **fields: NewJob(model=model, dataset="ds_0123456789abcdef", **fields)
