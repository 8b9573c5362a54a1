"""Changes to a local folder that happen whole or not at all, and are still there after a power cut.

Unfinished things have names that start with one of `LEFTOVERS`, beside the place they are meant for; a crash
can leave them behind and `sweep` takes them away. Everything here raises `OSError`; `reported` turns that
into `StorageFailed` at the edge of a room.
"""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.errors import StorageFailed

STAGING, WRITING, REMOVED = ".staging-", ".writing-", ".removed-"
LEFTOVERS = (STAGING, WRITING, REMOVED)


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Turns an OSError into `StorageFailed`, whose sentence says `what` and why, and no path."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise StorageFailed(what=what, reason=reason) from error


def make_folder(path: Path) -> None:
    """Makes the folder and the ones above it, durably; one that is there already is left as it is."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with suppress(FileExistsError):
        os.mkdir(path)  # noqa: PTH102 - through os, where the tests make it fail
    fsync_folder(path.parent)


def fsync_folder(path: Path) -> None:
    """Makes the names in the folder durable; a file system that cannot sync folders is taken at its word."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def write_new(path: Path, data: bytes | memoryview) -> None:
    """Writes a file that was not there before, with its bytes on the disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes) -> None:
    """Puts `data` in the place of the file at `path`: a reader, or a crash, sees the old bytes or the new.

    The new file's modification time is always later than the old one's, so that a changed file can be told
    by its stat alone even when two changes fall into one tick of the clock. Writers of one file must exclude
    each other (`lock`).
    """
    beside = path.parent / f"{WRITING}{secrets.token_hex(8)}"
    try:
        write_new(beside, data)
        _make_later(beside, path)
        os.rename(beside, path)  # noqa: PTH104
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    fsync_folder(path.parent)


def _make_later(new: Path, old: Path) -> None:
    with suppress(FileNotFoundError):
        before, now = os.lstat(old).st_mtime_ns, os.lstat(new).st_mtime_ns
        if now <= before:
            os.utime(new, ns=(before + 1, before + 1))


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """A new folder inside `parent` to build something in; what was not published from it is removed."""
    staged = parent / f"{STAGING}{secrets.token_hex(8)}"
    os.mkdir(staged)  # noqa: PTH102
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def publish_folder(staged: Path, final: Path) -> None:
    """Gives the staged folder its name, in one rename; files in it must come from `write_new`.

    Raises `FileExistsError` if something other than an empty folder has that name.
    """
    fsync_folder(staged)
    try:
        os.rename(staged, final)  # noqa: PTH104
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        raise
    fsync_folder(final.parent)


def remove_tree(path: Path) -> None:
    """Removes a folder (or a file) with all in it: it is gone at once or still whole.

    What is left is only space, so failing to free it is left to `sweep`. Nothing there: `FileNotFoundError`.
    """
    aside = path.parent / f"{REMOVED}{secrets.token_hex(8)}"
    os.rename(path, aside)  # noqa: PTH104
    fsync_folder(path.parent)
    _delete(aside)


def _delete(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def sweep(parent: Path, *, before: float) -> int:
    """Deletes leftovers last touched earlier than `before` (seconds since 1970); how many there were."""
    stale = [path for path in _leftovers(parent) if _touched(path) < before]
    for path in stale:
        _delete(path)
    return len(stale)


def _leftovers(parent: Path) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if path.name.startswith(LEFTOVERS)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _touched(path: Path) -> float:
    try:
        return os.lstat(path).st_mtime
    except FileNotFoundError:
        return float("inf")


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Holds the file at `path` for this thread alone, among all threads and processes; waits for its turn.

    The system lets go of it when the process dies. The file is made when missing and never removed.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
