"""Claims about what is left when the disk, the process or the right to write fails at any moment."""

import errno
import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from app.errors import StorageFailed
from app.repository.repository import Repository
from app.storage import folder
from app.storage.folder import LEFTOVERS


def only_whole_things_are_listed(repository):
    for name in repository.names():
        for version in repository.versions(name):
            repository.load(name, version)
        for version in repository.aliases(name).values():
            repository.load(name, version)
    return True


def refusal(change):
    """What StorageFailed says, or None if all went well."""
    try:
        change()
    except StorageFailed as error:
        return str(error)
    return None


def test_whichever_call_of_a_publication_fails_nothing_half_is_there_and_trying_again_works(
    repository, make_model, root, faulty_os
):
    fail_at, failed = 0, True
    while failed:
        fail_at += 1
        shutil.rmtree(root, ignore_errors=True)
        faulty_os(fail_at)
        said = refusal(lambda: repository.publish(make_model()))
        failed = said is not None
        assert not failed or ("No space left on device" in said and "secret" not in said)
        assert only_whole_things_are_listed(repository)
        faulty_os(0)
        repository.publish(make_model())
        assert repository.versions("iris") == [1]
        assert not [entry for entry in (root / "iris").iterdir() if entry.name.startswith(LEFTOVERS)]
    assert fail_at > 15


@pytest.mark.parametrize(
    "change",
    [
        lambda repository: repository.set_alias("iris", "production", 3),
        lambda repository: repository.delete_alias("iris", "production"),
        lambda repository: repository.rollback("iris"),
        lambda repository: repository.delete_version("iris", 3),
        lambda repository: repository.delete_model("iris"),
    ],
)
def test_whichever_call_of_a_change_fails_aliases_point_at_whole_versions_and_numbers_stay_used(
    repository, make_model, root, faulty_os, change
):
    fail_at, failed = 0, True
    while failed:
        fail_at += 1
        shutil.rmtree(root, ignore_errors=True)
        faulty_os(0)
        for version in (1, 2):
            repository.publish(make_model(version))
            repository.set_alias("iris", "production", version)
        repository.publish(make_model(3))
        faulty_os(fail_at)
        failed = refusal(lambda: change(repository)) is not None
        assert only_whole_things_are_listed(repository)
        assert repository.last_version("iris") == 3
    assert fail_at > 5


def test_a_full_disk_is_no_reason_to_keep_an_old_version(repository, make_model, root, monkeypatch):
    for version in (1, 2):
        repository.publish(make_model(version))
    repository.set_alias("iris", "production", 2)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder, "write_new", full)
    repository.delete_version("iris", 1)
    assert repository.versions("iris") == [2]
    assert repository.last_version("iris") == 2


def _publish_and_die(root, make_model, install, fail_at):
    install(fail_at, lambda: os._exit(9))
    Repository(root).publish(make_model())
    os._exit(0)


def test_a_process_that_dies_at_any_call_of_a_publication_leaves_whole_things_alone(
    tmp_path, make_model, faulty_os
):
    context = multiprocessing.get_context("fork")
    fail_at, died = 0, True
    while died:
        fail_at += 1
        root = tmp_path / str(fail_at)
        process = context.Process(target=_publish_and_die, args=(root, make_model, faulty_os, fail_at))
        process.start()
        process.join()
        died = process.exitcode == 9
        repository = Repository(root)
        assert only_whole_things_are_listed(repository)
        repository.publish(make_model())
        assert repository.versions("iris") == [1]
        repository.sweep(older_than_seconds=-60)
        assert {entry.name for entry in (root / "iris").iterdir()} == {".lock", "1"}


def _read_without_right_to_write(root, make_model):
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    repository = Repository(root)
    assert repository.names() == ["iris"]
    assert repository.versions("iris") == [1]
    assert repository.load(*repository.resolve("iris")).version == 1
    assert repository.weights("iris", 1).stat().st_size > 0
    assert repository.last_version("iris") == 1
    for change in (
        lambda: repository.publish(make_model(2)),
        lambda: repository.publish(make_model(2, name="other")),
        lambda: repository.set_alias("iris", "canary", 1),
        lambda: repository.delete_model("iris"),
    ):
        assert "Permission denied" in refusal(change)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give up the right to write, so to have it")
def test_a_folder_that_may_only_be_read_can_be_read(make_model):
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o755)
        Repository(root).publish(make_model())
        Repository(root).set_alias("iris", "production", 1)
        process = multiprocessing.get_context("fork").Process(
            target=_read_without_right_to_write, args=(root, make_model)
        )
        process.start()
        process.join()
        assert process.exitcode == 0
        assert only_whole_things_are_listed(Repository(root))
    finally:
        shutil.rmtree(root)


def _move(root, alias, rounds):
    repository = Repository(root)
    for i in range(rounds):
        repository.set_alias("iris", alias, 1 + i % 2)


def test_processes_that_move_aliases_at_once_lose_no_move_and_readers_see_whole_files(
    repository, make_model, root
):
    for version in (1, 2):
        repository.publish(make_model(version))
    context = multiprocessing.get_context("fork")
    movers = [context.Process(target=_move, args=(root, alias, 30)) for alias in ("left", "right")]
    for mover in movers:
        mover.start()
    while any(mover.is_alive() for mover in movers):
        assert set(repository.aliases("iris").values()) <= {1, 2}
    for mover in movers:
        mover.join()
    history = repository._aliases("iris").history
    for alias in ("left", "right"):
        assert [move.target for move in history if move.alias == alias] == [1, 2] * 15


def _publish(root, model):
    Repository(root).publish(model)


def test_processes_that_publish_the_same_version_at_once_both_succeed(make_model, root):
    context = multiprocessing.get_context("fork")
    publishers = [context.Process(target=_publish, args=(root, make_model())) for _ in range(3)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    assert [publisher.exitcode for publisher in publishers] == [0, 0, 0]
    assert Repository(root).versions("iris") == [1]
    assert only_whole_things_are_listed(Repository(root))
