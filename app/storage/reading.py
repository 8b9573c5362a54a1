"""Opens files below a folder without following links, whoever wrote that folder."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_below(root: Path, *parts: str) -> BinaryIO:
    """The regular file at root/parts, open for unbuffered reading.

    `root` itself may be a link, since the operator named it; nothing below may be one. Raises OSError: ELOOP
    or ENOTDIR for a link, EINVAL for what is not a regular file or for a part that is not one plain name.
    """
    if not parts or any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            folder = _step(folder, part)
        handle = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
    return _regular(handle)


def _step(folder: int, part: str) -> int:
    inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    os.close(folder)
    return inner


def _regular(handle: int) -> BinaryIO:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return os.fdopen(handle, "rb", buffering=0)


def read_below(root: Path, *parts: str, limit: int) -> bytes:
    """All bytes of the regular file at root/parts; EFBIG if there are more than `limit`."""
    with open_below(root, *parts) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return read_exactly(file, limit)


def read_exactly(file: BinaryIO, most: int) -> bytes:
    """Up to `most` bytes from here on, fewer only where the file ends."""
    pieces = []
    while most > 0 and (piece := file.read(min(most, 1 << 24))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def is_regular_below(root: Path, *parts: str) -> bool:
    """Whether a regular file is at root/parts with no link on the way."""
    try:
        open_below(root, *parts).close()
    except OSError:
        return False
    return True
