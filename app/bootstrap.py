"""Where concrete things are built: from settings to the rooms of the web side and of training."""

import os
import shutil
from multiprocessing import parent_process
from pathlib import Path

from app.datasets.limits import Limits
from app.datasets.store import DatasetStore
from app.http.cors import trusted
from app.http.drift import Drifts
from app.http.keys import Keys, read_keys
from app.http.meters import Meters, folder_of
from app.http.services import Services
from app.jobs import FeedbackStore, JobQueue, JobStore
from app.repository.cache import ModelCache
from app.repository.catalogue import folders
from app.repository.model import profile_in
from app.repository.names import is_name
from app.repository.repository import LOCK, Repository
from app.serving.predictor import Predictor, warm
from app.settings import Settings
from app.storage.folder import lock, make_folder
from app.training.body import run_job
from app.training.checkpoints import Checkpoints
from app.training.workplace import Workplace
from app.watch import TrainerWatch

_REFRESH_SECONDS = 0.1  # how soon a process sees that an alias was moved elsewhere


def build(settings: Settings) -> Services:
    """The rooms behind the web side. Nothing is started yet."""
    seed(settings.models_seed, settings.models)
    place = build_workplace(settings)
    cache = ModelCache(
        place.repository, settings.model_cache_bytes, warm=warm, refresh_seconds=_REFRESH_SECONDS
    )
    processes = folder_of(settings.data, os.getppid())
    # Of uvicorn's own --workers no setting tells.
    shared = settings.workers > 1 or parent_process() is not None
    drifts = Drifts(
        processes / "drift",
        profile_of=lambda name, version: profile_in(place.repository.card(name, version)),
        most_columns=settings.max_drift_columns,
    )
    return Services(
        settings=settings,
        jobs=JobStore(settings.database),
        feedback=FeedbackStore(settings.database),
        datasets=place.datasets,
        repository=place.repository,
        cache=cache,
        predictor=Predictor(cache, max_explain_rows=settings.max_explain_rows),
        keys=build_keys(settings),
        meters=Meters(processes, sampler_of=drifts.sampler, shared=shared),
        drifts=drifts,
        trainer=_watch(settings) if settings.trainer else None,
    )


def build_keys(settings: Settings) -> Keys:
    """The keys in force. Raises: Invalid, for a key that is not written as keys are."""
    named = trusted(settings.cors_origins)
    return read_keys(settings.api_keys, settings.api_keys_file, settings.data, origins=named)


def build_workplace(settings: Settings) -> Workplace:
    """The rooms that training works with, in the trainer and in every Dask worker."""
    return Workplace(
        settings=settings,
        jobs=JobQueue(settings.database),
        datasets=DatasetStore(settings.data / "datasets", Limits.of(settings)),
        repository=Repository(
            settings.models, max_parameters=settings.max_parameters, map_from=settings.map_weights_bytes
        ),
        checkpoints=Checkpoints(settings.data / "checkpoints"),
    )


def train_job(settings: Settings, job_id: str, attempt: int) -> str:
    """The body of a job on rooms of its own: what the trainer has its workers call."""
    place = build_workplace(settings)
    try:
        return run_job(place, job_id, attempt)
    finally:
        place.jobs.close()


def _watch(settings: Settings) -> TrainerWatch:
    return TrainerWatch(settings.data / "trainer.lock", environment=settings.environment())


def seed(shipped: Path | None, models: Path) -> None:
    """Give an empty repository the models that ship: all, or after a crash none or, with the next start, all.

    Raises: OSError, where they cannot be copied.
    """
    begun = models / ".seeding"

    def wanted() -> bool:
        return begun.exists() or not any(is_name(name) for name in folders(models))

    if shipped is None or not wanted():
        return
    make_folder(models)
    with lock(models / LOCK):
        if not wanted():
            return  # another process was first
        begun.mkdir(exist_ok=True)
        missing = [name for name in folders(shipped) if is_name(name) and not (models / name).exists()]
        for name in missing:
            shutil.rmtree(begun / name, ignore_errors=True)
            shutil.copytree(shipped / name, begun / name)
        for name in missing:
            (begun / name).rename(models / name)
        shutil.rmtree(begun)
