"""Folders in which datasets are built: held by a lock while somebody works there, swept once nobody does."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.storage import folder

_HELD = "held"
_GRACE_SECONDS = 60.0


@contextmanager
def workplace(root: Path) -> Iterator[Path]:
    """A new folder inside `root`, removed at the end with all that was not moved out of it."""
    with folder.staging(root) as place:
        handle = os.open(place / _HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield place
        finally:
            os.close(handle)


def sweep(root: Path) -> int:
    """Remove what crashes left in `root`; how many things. What others are still building is left alone."""
    stale = [path for path in _leftovers(root) if not _is_held(path)]
    for path in stale:
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)


def _leftovers(root: Path) -> list[Path]:
    return (
        [path for path in root.iterdir() if path.name.startswith(folder.LEFTOVERS)] if root.is_dir() else []
    )


def _is_held(path: Path) -> bool:
    if path.name.startswith(folder.REMOVED):
        return False
    try:
        handle = os.open(path / _HELD, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return _is_new(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _is_new(path: Path) -> bool:
    """Whether its maker may be about to take the lock."""
    try:
        return time.time() - path.lstat().st_mtime < _GRACE_SECONDS
    except OSError:
        return False
