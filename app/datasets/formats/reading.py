"""What libraries raise over bytes that are not what they should be, as Unreadable."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from app.errors import Unreadable

_BROKEN = (pa.ArrowException, ValueError, TypeError, EOFError, KeyError, NotImplementedError, RuntimeError,
           SyntaxError, MemoryError, OverflowError, zipfile.BadZipFile, zlib.error, struct.error)  # fmt: skip


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn a library's complaint about the bytes into Unreadable; the disk's own errors go through."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and not isinstance(error, pa.ArrowException):
            raise
        raise Unreadable(what=what, reason=_sentence(error)) from error
    except _BROKEN as error:
        raise Unreadable(what=what, reason=_sentence(error)) from error


def _sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
