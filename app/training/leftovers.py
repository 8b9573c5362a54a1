"""Checkpoints of jobs that have ended without anybody there to remove them: cancelled, given up, killed."""

from contextlib import suppress
from pathlib import Path

from app.jobs import JobQueue
from app.storage.folder import remove_tree


def sweep_checkpoints(root: Path, jobs: JobQueue) -> int:
    """Remove the checkpoints of ended jobs; of how many. Raises: StorageFailed, if the database is gone."""
    try:
        found = [path.name for path in root.iterdir() if path.name.startswith("job_")]
    except OSError:
        return 0  # nothing was trained yet, or the disk is away: another time
    ended = jobs.ended(found) if found else set()
    for name in ended:
        with suppress(OSError):
            remove_tree(root / name)
    return len(ended)
