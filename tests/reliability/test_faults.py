"""Whichever call to the disk fails, only whole things are there afterwards, and a second try succeeds."""

import errno
import shutil
from pathlib import Path

import pytest
from local_server import ROOT

from app.bootstrap import build, build_workplace
from app.datasets.store import DatasetStore
from app.errors import StorageFailed
from app.jobs import JobStore, NewJob
from app.repository.repository import Repository
from app.settings import Settings
from app.storage.folder import LEFTOVERS
from app.training.body import run_job
from app.training.checkpoints import Checkpoint, Checkpoints

IRIS = (ROOT / "examples" / "data" / "iris.csv").read_bytes()
GIVEN = {"max_epochs": 2, "folds": 2, "l2": 0.01}


class Rooms:
    """A place to train in, and as many jobs as one likes that all come to the same."""

    def __init__(self, folder: Path) -> None:
        (folder / "data").mkdir(parents=True)
        settings = Settings(
            data=folder / "data", models=folder / "models", trainer=False, checkpoint_seconds=1e-9
        )
        self.place, self.store = build_workplace(settings), JobStore(settings.database)
        self.store.prepare()
        self.dataset = self.place.datasets.ingest([IRIS], media_type="text/csv")[0].id

    def submit(self, model: str) -> str:
        new = NewJob(model=model, dataset=self.dataset, algorithm="softmax_regression", given=GIVEN)
        return self.store.submit(new)[0].id

    def run(self) -> str:
        claimed = self.place.jobs.claim()
        assert claimed is not None
        return run_job(self.place, claimed[0].id, claimed[1])

    def result(self, model: str, job: str) -> tuple[bytes, list[dict[str, object]]]:
        history = [each.model_dump(exclude={"seconds"}) for each in self.store.history(job)]
        return self.place.repository.weights(model, 1).read_bytes(), history


@pytest.fixture
def rooms(tmp_path):
    rooms = Rooms(tmp_path)
    yield rooms
    rooms.store.close()
    rooms.place.jobs.close()


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.startswith(LEFTOVERS)]


@pytest.mark.slow
def test_whichever_call_of_a_job_fails_it_is_set_back_and_the_next_attempt_ends_in_the_same_bits(
    rooms, faulty_os
):
    job, calls = rooms.submit("undisturbed"), faulty_os(0)
    assert rooms.run() == "succeeded"
    expected, refused = rooms.result("undisturbed", job), 0
    for fail_at in range(1, calls.count + 1):
        model = f"m{fail_at}"
        job = rooms.submit(model)
        faulty_os(fail_at, (errno.ENOSPC, errno.EIO)[fail_at % 2])
        try:
            rooms.run()
        except StorageFailed as error:
            refused += 1
            assert "secret" not in str(error)  # noqa: PT017 - not every call's failure is the job's
            for version in rooms.place.repository.versions(model):
                rooms.place.repository.load(model, version)
            rooms.place.jobs.lead("next", 5)
            rooms.place.jobs.resign("next")
            faulty_os(0)
            assert rooms.run() == "succeeded"
        assert rooms.store.get(job).state == "succeeded"
        assert rooms.result(model, job) == expected
        assert rooms.place.repository.resolve(model) == (model, 1)
    assert refused > 20


def test_whichever_call_of_a_checkpoint_fails_the_one_before_is_still_there(tmp_path, faulty_os):
    checkpoints, fail_at, failed = Checkpoints(tmp_path), 0, True
    checkpoints.save("job_a", 1, Checkpoint(sequence=1))
    while failed:
        fail_at += 1
        faulty_os(fail_at)
        try:
            checkpoints.save("job_a", 1, Checkpoint(sequence=2))
            failed = False
        except StorageFailed:
            assert checkpoints.newest("job_a").sequence in (1, 2)
        assert leftovers(tmp_path) == []
    faulty_os(0)
    assert checkpoints.newest("job_a").sequence == 2
    assert fail_at > 5


def test_whichever_call_of_an_upload_fails_nothing_of_it_is_kept(tmp_path, faulty_os):
    fail_at, failed = 0, True
    while failed:
        fail_at += 1
        datasets = DatasetStore(tmp_path / str(fail_at))
        faulty_os(fail_at)
        try:
            datasets.ingest([IRIS], media_type="text/csv")
            failed = False
        except StorageFailed as error:
            assert "secret" not in str(error)  # noqa: PT017 - the last try succeeds
        faulty_os(0)
        assert all(datasets.open(each.id).labels.size == 150 for each in datasets.list()[0])
        assert leftovers(tmp_path) == []
        assert datasets.ingest([IRIS], media_type="text/csv")[0].rows == 150
        assert len(datasets.list()[0]) == 1
    assert fail_at > 8


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text/csv", "application/json"])
def test_at_whatever_byte_the_disk_is_full_nothing_of_an_upload_is_kept(disk, kind):
    """A real file system, a page larger every time until the upload fits."""
    body = IRIS
    if kind == "application/json":
        rows = ",".join(f"[{i},{i % 7}]" for i in range(3000))
        body = f'{{"instances":[{rows}],"labels":[{",".join(str(i % 3) for i in range(3000))}]}}'.encode()
    kilobytes, failed, tries = 0, True, 0
    while failed:
        kilobytes, tries = kilobytes + 4, tries + 1
        root = disk(kilobytes) / "datasets"
        datasets = DatasetStore(root)
        try:
            datasets.ingest([body], media_type=kind)
            failed = False
        except StorageFailed as error:
            assert "No space left" in str(error)  # noqa: PT017 - the last try succeeds
            assert datasets.list() == ([], None)
            assert leftovers(root) == []
    assert datasets.open(datasets.list()[0][0].id).labels.size in (150, 3000)
    assert tries > 3


def test_a_repository_whose_seeding_was_cut_short_has_all_models_after_the_next_start(tmp_path, monkeypatch):
    (tmp_path / "models" / "lost+found").mkdir(parents=True)  # a disk of its own
    settings = Settings(
        data=tmp_path / "data", models=tmp_path / "models", models_seed=ROOT / "models", trainer=False
    )
    repository = Repository(tmp_path / "models")
    for files in range(7):  # all that there are
        left = iter(range(files))

        def killed(*arguments, left=left, copy=shutil.copyfile, **options):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return copy(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr("shutil.copyfile", killed)
            with pytest.raises(KeyboardInterrupt):
                build(settings)
        assert repository.names() == []
    real, renamed = Path.rename, iter([True])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *both: real(*both) if next(renamed, False) else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(settings)
    assert len(repository.names()) == 1
    build(settings)
    assert repository.names() == ["digits", "iris"]
    repository.delete_model("iris")
    build(settings)
    assert repository.names() == ["digits"]
    assert not (tmp_path / "models" / ".seeding").exists()
