"""A place to train in: rooms of its own for every test, and jobs run in this process."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from app.bootstrap import build_workplace
from app.jobs import Job, JobStore, NewJob
from app.settings import Settings
from app.training import journal
from app.training.body import run_job
from app.training.trainer import Trainer
from app.training.workplace import Workplace

IRIS = Path(__file__).parents[2] / "examples" / "data" / "iris.csv"


class Killed(BaseException):
    """Stands for a process that dies: nothing catches it."""


class Memory:
    """Bytes that are free."""

    free = 10**9

    def __call__(self) -> int:
        return self.free


class Clock:
    """Seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """The rooms of both sides, and short ways to use them."""

    place: Workplace
    store: JobStore

    def submit(self, **fields: object) -> Job:
        given = fields.pop("given", {"max_epochs": 12, "hidden_layer_sizes": [8]})
        algorithm = fields.pop("algorithm", "auto")
        if algorithm == "softmax_regression":
            given = {k: v for k, v in given.items() if k != "hidden_layer_sizes"}
        fields.setdefault("dataset", self.iris())
        return self.store.submit(NewJob(model="iris", given=given, algorithm=algorithm, **fields))[0]

    def iris(self) -> str:
        with IRIS.open("rb") as file:
            return self.place.datasets.ingest([file.read()], media_type="text/csv")[0].id

    def run(self) -> str:
        job, attempt = self.place.jobs.claim()
        return run_job(self.place, job.id, attempt)

    def train(self, **fields: object) -> Job:
        job = self.submit(**fields)
        self.run()
        return self.store.get(job.id)

    def before_writes(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[int], object]) -> None:
        """Have `act(n)` called before a run's n-th write to the database from now (1, 2, …); it may raise.

        A run then writes whenever it could, and not only every quarter of a second.
        """
        monkeypatch.setattr(journal, "_WRITE_SECONDS", 0.0)
        real, numbers = self.place.jobs.record, count(1)

        def record(*arguments: object) -> bool:
            act(next(numbers))
            return real(*arguments)

        monkeypatch.setattr(self.place.jobs, "record", record)

    def run_killed(self, monkeypatch: pytest.MonkeyPatch, *writes: int) -> str:
        """Run a job that dies at each of these writes to the database, counted over all its runs; how it ends."""

        def die(write: int) -> None:
            if write in writes:
                raise Killed

        self.before_writes(monkeypatch, die)
        for _ in writes:
            with pytest.raises(Killed):
                self.run()
            self.take_over()
        return self.run()

    def take_over(self) -> None:
        """Put what was running back in the queue, as the next trainer does."""
        self.place.jobs.lead("next", 5)
        self.place.jobs.resign("next")

    def weights(self, version: int) -> bytes:
        return self.place.repository.weights("iris", version).read_bytes()

    def history(self, job: Job) -> list[dict[str, object]]:
        return [each.model_dump(exclude={"seconds"}) for each in self.store.history(job.id)]


@pytest.fixture
def make_bench(tmp_path: Path, empty_database: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**settings: object) -> Bench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        chosen = Settings(data=folder / "data", models=folder / "models", trainer=False, **settings)
        chosen.data.mkdir()
        shutil.copy(empty_database, chosen.data)
        bench = Bench(place=build_workplace(chosen), store=JobStore(chosen.database))
        bench.store.prepare()
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.store.close()
        bench.place.jobs.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


@pytest.fixture
def trainer(bench: Bench) -> Trainer:
    """The trainer of the database, whom nobody has run; its memory and its clock are the test's."""
    trainer = Trainer(
        settings=bench.place.settings,
        jobs=bench.place.jobs,
        body="nothing:to_call",
        stop=threading.Event(),
        memory=Memory(),
        clock=Clock(),
    )
    assert bench.place.jobs.lead(trainer.owner, 60)
    return trainer
