"""A checkpoint gives back what it was given, to the bit; a broken one is passed over."""

import os
import time

import numpy as np
import pytest

from app.storage.folder import WRITING
from app.training.checkpoints import Checkpoint, Checkpoints, Finished
from core.committee import begin, from_arrays, to_arrays
from core.network import initialise
from core.training import TrainingSpec

SPEC = TrainingSpec(hidden_layer_sizes=(4,))


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints")


def some(sequence: int = 3) -> Checkpoint:
    state = to_arrays(begin(SPEC, (3, 2), [None, None]))
    done = Finished(
        members=tuple(initialise((3, 2), np.random.default_rng(seed)) for seed in (0, 1)),
        validation_loss=0.1 + 0.2,
        epochs=7,
        stage=2,
    )
    return Checkpoint(finished=(done,), state=state, sequence=sequence, seconds=1.25)


def test_a_checkpoint_comes_back_to_the_bit(checkpoints):
    saved = some()
    checkpoints.save("job_a", 1, saved)
    read = checkpoints.newest("job_a")
    assert (read.sequence, read.seconds) == (saved.sequence, saved.seconds)
    assert read.finished[0].validation_loss == saved.finished[0].validation_loss
    assert read.finished[0].epochs == 7
    assert read.finished[0].stage == 2
    for (ours,), (theirs,) in zip(read.finished[0].members, saved.finished[0].members, strict=True):
        assert ours.weight.tobytes() == theirs.weight.tobytes()
        assert ours.bias.tobytes() == theirs.bias.tobytes()
    assert read.state.keys() == saved.state.keys()
    for name, array in saved.state.items():
        assert read.state[name].dtype == np.asarray(array).dtype
        assert read.state[name].tobytes() == np.asarray(array).tobytes()
    from_arrays((SPEC,), read.state)


def test_without_a_checkpoint_a_job_is_at_its_beginning(checkpoints):
    assert checkpoints.newest("job_a") == Checkpoint()


def test_a_later_attempts_checkpoint_wins_whenever_it_was_written(checkpoints):
    checkpoints.save("job_a", 2, some(sequence=5))
    checkpoints.save("job_a", 1, some(sequence=9))
    assert checkpoints.newest("job_a").sequence == 5


def test_many_attempts_leave_two_checkpoints_and_nothing_that_was_begun_long_ago(checkpoints, tmp_path):
    home = tmp_path / "checkpoints" / "job_a"
    checkpoints.save("job_a", 1, some())
    for name, age in (("a", 3600), ("b", 0)):
        begun = home / f"{WRITING}{name}"
        begun.write_bytes(b"half")
        os.utime(begun, (time.time() - age,) * 2)
    for attempt in (4, 5, 9, 10, 3):
        checkpoints.save("job_a", attempt, some(sequence=attempt))
    assert {path.name for path in home.iterdir()} == {"000009.npz", "000010.npz", f"{WRITING}b"}
    assert checkpoints.newest("job_a").sequence == 10


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(checkpoints, tmp_path):
    checkpoints.save("job_a", 1, some(sequence=5))
    checkpoints.save("job_a", 2, some(sequence=6))
    path = tmp_path / "checkpoints" / "job_a" / "000002.npz"
    whole = path.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert checkpoints.newest("job_a").sequence == 5


def test_a_discarded_job_is_forgotten(checkpoints):
    checkpoints.save("job_a", 1, some())
    checkpoints.discard("job_a")
    checkpoints.discard("job_a")
    assert checkpoints.newest("job_a") == Checkpoint()


def test_a_checkpoint_of_another_release_is_passed_over(checkpoints, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("app.training.checkpoints.FORMAT", 1)
        checkpoints.save("job_a", 1, some())
    assert checkpoints.newest("job_a") == Checkpoint()
