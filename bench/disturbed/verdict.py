"""Afterwards: whether every promise was kept, held against runs of the same jobs that nothing disturbed."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from app.bootstrap import build_workplace
from app.jobs import Job, JobQueue, JobStore, NewJob
from app.settings import Settings
from app.storage.folder import LEFTOVERS
from app.training.body import run_job
from app.training.leftovers import sweep_checkpoints
from app.training.workplace import Workplace
from disturbed.crowd import FINAL, Seen


@dataclass
class Undisturbed:
    """Runs jobs in this process, on rooms of its own that hold the same data and the same first models."""

    place: Workplace
    store: JobStore
    known: dict[str, tuple[bytes, list[dict[str, Any]]]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def beside(cls, folder: Path, files: list[Path]) -> Iterator["Undisturbed"]:
        """A new one in `folder`, within the block."""
        folder.mkdir()
        (folder / "data").mkdir()
        settings = Settings(data=folder / "data", models=folder / "models", trainer=False)
        place = build_workplace(settings)
        with closing(JobStore(settings.database)) as store, closing(place.jobs):
            store.prepare()
            for file in files:
                place.datasets.ingest([file.read_bytes()], media_type="text/csv")
            yield cls(place=place, store=store)

    def result(self, job: Job) -> tuple[bytes, list[dict[str, Any]]]:
        """The weights and the history that such a job comes to."""
        what = json.dumps([job.dataset, job.algorithm, job.given, job.warm_start], sort_keys=True)
        if what not in self.known:
            self.known[what] = self._run(job)
        return self.known[what]

    def _run(self, job: Job) -> tuple[bytes, list[dict[str, Any]]]:
        names = ("dataset", "algorithm", "given", "warm_start")
        model = "base" if job.model == "base" else "again"
        same = NewJob(model=model, promote="never", **{name: getattr(job, name) for name in names})
        mine, _ = self.store.submit(same)
        claimed = self.place.jobs.claim()
        assert claimed is not None
        with threadpool_limits(1):
            assert run_job(self.place, mine.id, claimed[1]) == "succeeded"
        return self.place.repository.weights(model, mine.version).read_bytes(), history(self.store, mine.id)


def history(store: JobStore, job_id: str) -> list[dict[str, Any]]:
    """The epochs of a job, but for the time they took."""
    return [each.model_dump(exclude={"seconds"}) for each in store.history(job_id)]


def judge(seen: Seen, settings: Settings, undisturbed: Undisturbed) -> list[str]:
    """Every promise that was not kept, in words."""
    place, store = build_workplace(settings), JobStore(settings.database)
    wrong = list(seen.wrong)
    for base in store.page(model="base")[0]:  # trained before the storm; what starts warm needs it
        if undisturbed.result(base)[0] != place.repository.weights("base", base.version).read_bytes():
            wrong.append("the first model has other bits than the reference's")
    for job_id in seen.jobs:
        wrong += [f"{job_id}: {each}" for each in _about(store.get(job_id), seen, place, store, undisturbed)]
    for missing in seen.jobs.keys() - seen.finals.keys():
        wrong.append(f"{missing}: nobody saw its end")
    for job in _all(store):
        if job.id not in seen.jobs and job.model != "base":
            wrong.append(f"{job.id}: nobody asked for it")
    wrong += _about_repository(place, {job.id: job for job in _all(store)})
    wrong += _left_over(settings, store)
    store.close()
    place.jobs.close()
    return wrong


def _about(job: Job, seen: Seen, place: Workplace, store: JobStore, undisturbed: Undisturbed) -> list[str]:
    wrong = []
    weights, expected = undisturbed.result(job)
    got = history(store, job.id)
    watched = [{k: v for k, v in each.items() if k != "seconds"} for each in seen.epochs.get(job.id, [])]
    published = job.version in place.repository.versions(job.model)
    if job.state not in FINAL or job.state == "failed":
        wrong.append(f"it is {job.state}: {job.error}")
    if (job.state == "cancelled") != (job.id in seen.cancelled):
        wrong.append(
            f"it is {job.state}, but cancelling was {'' if job.id in seen.cancelled else 'not '}heard"
        )
    if got != expected[: len(got)] or (job.state == "succeeded" and len(got) != len(expected)):
        wrong.append(f"its history is not that of an undisturbed run ({len(got)} of {len(expected)} epochs)")
    if watched != got:
        wrong.append(f"its watcher saw {len(watched)} epochs of {len(got)}")
    if published != (job.state == "succeeded"):
        wrong.append(f"it is {job.state} and its version is {'' if published else 'not '}published")
    elif published and place.repository.weights(job.model, job.version).read_bytes() != weights:
        wrong.append("its weights are not those of an undisturbed run")
    return wrong


def _about_repository(place: Workplace, jobs: dict[str, Job]) -> list[str]:
    wrong = []
    for name in place.repository.names():
        for version in place.repository.versions(name):
            model = place.repository.load(name, version)
            job = jobs.get(model.card["lineage"]["job"])
            if job is None or (job.model, job.version) != (name, version):
                wrong.append(f"{name}@{version} is of no job that was accepted")
        for alias, version in place.repository.aliases(name).items():
            if version not in place.repository.versions(name):
                wrong.append(f"{name}@{alias} points at nothing")
    return wrong


def _left_over(settings: Settings, store: JobStore) -> list[str]:
    """What is there still once the trainer's sweep, due every ten seconds, has come by: a worker that was late with a
    checkpoint may have written it just before the end."""
    root, queue = settings.data / "checkpoints", JobQueue(settings.database)
    sweep_checkpoints(root, queue)
    queue.close()
    final = {job.id for job in _all(store) if job.finished}
    kept = [path.name for path in root.iterdir() if path.name in final] if root.is_dir() else []
    wrong = [f"{name}: its checkpoints are still there" for name in kept]
    found = [p for p in (settings.data / "datasets").iterdir() if p.name.startswith(LEFTOVERS)]
    return wrong + [f"left over: {path.name}" for path in found]


def _all(store: JobStore) -> list[Job]:
    jobs, before = store.page(limit=500)
    while before:
        more, before = store.page(limit=500, before=before)
        jobs += more
    return jobs
