"""A file seen through short-lived windows: it may be larger than the memory and the addresses that a process has."""

import io
import mmap
import os
from pathlib import Path


class Windows(io.RawIOBase):
    """Reads by mapping: what a read returns is a view of the file's pages, gone when nobody holds it any more."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._size, self._at = os.fstat(self._file).st_size, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place: from the start, from here or from the end."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """The place where the next read begins."""
        return self._at

    def read(self, size: int = -1) -> memoryview | bytes:
        """The next bytes, as many as there are."""
        left = max(self._size - self._at, 0)
        size = left if size < 0 else min(size, left)
        if not size:
            return b""
        start = self._at
        base = start - start % mmap.ALLOCATIONGRANULARITY
        self._at += size
        window = mmap.mmap(self._file, start + size - base, offset=base, access=mmap.ACCESS_READ)
        return memoryview(window)[start - base :]

    def close(self) -> None:
        """Give the file back; views of it stay."""
        if not self.closed:
            os.close(self._file)
        super().close()
