"""A database of its own for every test, and a clock that the test moves."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postgres import Postgres

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real server; where none is installed its tests are skipped, but never in CI."""
    binaries = Postgres.binaries()
    if binaries is None:
        reason = "PostgreSQL is not installed (on Debian: apt install postgresql)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    server = Postgres(binaries)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of its own: every claim is made for both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'neurona.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def store(url: str, clock: Clock, empty_database: Path) -> Iterator[JobStore]:
    if url.startswith("sqlite:///"):
        shutil.copy(empty_database, url.removeprefix("sqlite:///"))
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
