"""No checkpoint outlives its job for long."""

from app.training.checkpoints import Checkpoint
from app.training.leftovers import sweep_checkpoints


def test_checkpoints_of_ended_jobs_are_removed_and_others_kept(bench):
    cancelled, waiting = bench.submit(), bench.submit()
    for job in (cancelled, waiting):
        bench.place.checkpoints.save(job.id, 1, Checkpoint(sequence=3))
    bench.store.cancel(cancelled.id)
    root = bench.place.settings.data / "checkpoints"
    assert sweep_checkpoints(root, bench.place.jobs) == 1
    assert [path.name for path in root.iterdir()] == [waiting.id]
    assert bench.place.checkpoints.newest(waiting.id).sequence == 3


def test_without_any_checkpoint_there_is_nothing_to_sweep(bench):
    assert sweep_checkpoints(bench.place.settings.data / "checkpoints", bench.place.jobs) == 0
