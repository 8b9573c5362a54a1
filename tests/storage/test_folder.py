"""Claims about changes to a folder that happen whole or not at all."""

import errno
import multiprocessing
import os
import threading
from contextlib import suppress

import pytest

from app.errors import StorageFailed
from app.storage import folder


def leftovers(path):
    return [entry.name for entry in path.iterdir() if entry.name.startswith(folder.LEFTOVERS)]


def test_an_atomic_write_replaces_the_bytes_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "file"
    folder.write_atomic(path, b"one")
    folder.write_atomic(path, b"two" * 100_000)
    assert path.read_bytes() == b"two" * 100_000
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_whichever_call_of_an_atomic_write_fails_the_file_is_the_old_or_the_new_one(tmp_path, failing_os):
    path = tmp_path / "file"
    folder.write_atomic(path, b"old")
    fail_at, failed = 0, True
    while failed:
        path.write_bytes(b"old")
        fail_at += 1
        failing_os(fail_at)
        try:
            folder.write_atomic(path, b"new")
        except OSError:
            assert path.read_bytes() in (b"old", b"new")
        else:
            failed = False
        assert leftovers(tmp_path) == []
    assert path.read_bytes() == b"new"
    assert fail_at > 5


def test_every_atomic_write_gives_a_later_modification_time_even_within_one_tick(tmp_path):
    path = tmp_path / "file"
    times = []
    for i in range(50):
        folder.write_atomic(path, b"%d" % (i % 2))
        times.append(path.stat().st_mtime_ns)
    assert times == sorted(set(times))


def test_a_write_is_finished_when_the_system_takes_the_bytes_in_small_pieces(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data[:3])))
    folder.write_new(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_write_new_never_replaces_a_file_nor_follows_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError):
        folder.write_new(tmp_path / "link", b"x")
    assert not (tmp_path / "target").exists()


def test_a_staged_folder_is_published_whole_and_staging_leaves_nothing(tmp_path):
    with folder.staging(tmp_path) as staged:
        folder.write_new(staged / "a", b"1")
        assert leftovers(tmp_path)
        folder.publish_folder(staged, tmp_path / "final")
    assert (tmp_path / "final" / "a").read_bytes() == b"1"
    assert leftovers(tmp_path) == []


def test_a_staged_folder_that_was_not_published_is_removed(tmp_path):
    with suppress(ZeroDivisionError), folder.staging(tmp_path) as staged:
        folder.write_new(staged / "a", b"1")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_publishing_never_replaces_what_has_the_name_already(tmp_path, kind):
    final = tmp_path / "final"
    if kind == "folder":
        final.mkdir()
        (final / "theirs").write_bytes(b"")
    elif kind == "file":
        final.write_bytes(b"")
    else:
        final.symlink_to(tmp_path)
    with folder.staging(tmp_path) as staged, pytest.raises(FileExistsError):
        folder.publish_folder(staged, final)
    assert final.exists()


def test_a_removed_tree_is_gone_at_once_and_its_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(outside)
    folder.remove_tree(tree)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["outside"]
    assert (outside / "precious").exists()


def test_removing_a_link_removes_the_link_alone(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    folder.remove_tree(tmp_path / "link")
    assert [entry.name for entry in tmp_path.iterdir()] == ["target"]


def test_removing_what_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        folder.remove_tree(tmp_path / "nothing")


def test_the_sweep_takes_old_leftovers_of_every_kind_and_nothing_else(tmp_path):
    for name in (*folder.LEFTOVERS, "model", ".lock"):
        (tmp_path / f"{name}1").mkdir()
        (tmp_path / f"{name}1" / "inside").write_bytes(b"")
        os.utime(tmp_path / f"{name}1", (100, 100))
    (tmp_path / f"{folder.WRITING}file").write_bytes(b"")
    os.utime(tmp_path / f"{folder.WRITING}file", (100, 100))
    (tmp_path / f"{folder.STAGING}young").mkdir()
    assert folder.sweep(tmp_path, before=200) == 4
    assert {entry.name for entry in tmp_path.iterdir()} == {"model1", ".lock1", f"{folder.STAGING}young"}
    assert folder.sweep(tmp_path / "missing", before=200) == 0


def test_folders_are_made_with_those_above_them(tmp_path):
    folder.make_folder(tmp_path / "a" / "b" / "c")
    folder.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_a_file_system_that_cannot_sync_folders_is_taken_at_its_word_but_a_failing_disk_is_not(
    tmp_path, monkeypatch
):
    def fails_with(number):
        def fsync(_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    fails_with(errno.EINVAL)
    folder.fsync_folder(tmp_path)
    fails_with(errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        folder.fsync_folder(tmp_path)


def test_a_reported_error_says_what_and_why_and_no_path():
    with pytest.raises(StorageFailed) as caught, folder.reported("write a file"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/secret/path")
    assert "write a file: No space left on device" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_lock_excludes_the_threads_of_one_process(tmp_path):
    inside, most = 0, 0

    def work():
        nonlocal inside, most
        for _ in range(50):
            with folder.lock(tmp_path / "lock"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def _count_up(path, rounds):
    for _ in range(rounds):
        with folder.lock(path / "lock"):
            number = int((path / "number").read_text())
            folder.write_atomic(path / "number", str(number + 1).encode())


def test_the_lock_excludes_processes(tmp_path):
    (tmp_path / "number").write_text("0")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count_up, args=(tmp_path, 25)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "number").read_text() == "75"


def _hold_for_ever(path, held):
    with folder.lock(path):
        held.set()
        threading.Event().wait()


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=_hold_for_ever, args=(tmp_path / "lock", held))
    process.start()
    assert held.wait(10)
    process.kill()
    process.join()
    with folder.lock(tmp_path / "lock"):
        pass
