"""A body that arrives in chunks, put into a file on disk, decompressed and measured as it grows."""

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.datasets.limits import Limits
from app.datasets.types import JSON
from app.errors import TooLarge, Unreadable, UnsupportedType
from app.storage.folder import reported

PIECE = 1 << 20


def spool(
    source: Iterable[bytes], place: Path, *, media_type: str, encoding: str | None, limits: Limits
) -> None:
    """Write `source` to `place`.

    Raises TooLarge as soon as a limit is passed, Unreadable for broken gzip, UnsupportedType for another
    encoding than gzip, StorageFailed if the disk refuses. What `source` itself raises goes through as it is.
    """
    if encoding not in (None, "gzip"):
        raise UnsupportedType(got=f"Content-Encoding: {encoding}", expected="gzip, or none")
    chunks = _bounded(source, "max_upload_bytes", limits.max_upload_bytes)
    pieces = chunks if encoding is None else gunzip(chunks)
    setting = "max_json_bytes" if media_type == JSON else "max_dataset_bytes"
    _write(_bounded(pieces, setting, getattr(limits, setting)), place)


def gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress gzip (several members too) in pieces of at most 1 MiB.

    Raises Unreadable if broken or cut off.
    """
    inflater = Gunzip()
    for chunk in chunks:
        yield from inflater.feed(chunk)
    yield from inflater.end()


class Gunzip:
    """The same for whoever gets the chunks one by one: `feed` each, then `end`."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._fresh = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What can be said after this chunk. Raises Unreadable if broken."""
        try:
            while chunk:
                if self._inflate.eof:
                    self._inflate = zlib.decompressobj(wbits=31)
                self._fresh = False
                if piece := self._inflate.decompress(chunk, PIECE):
                    yield piece
                chunk = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        except zlib.error as error:
            raise _broken(str(error)) from error

    def end(self) -> Iterator[bytes]:
        """What is left. Raises Unreadable if broken or cut off."""
        try:
            while not self._inflate.eof and (piece := self._inflate.decompress(b"", PIECE)):
                yield piece
        except zlib.error as error:
            raise _broken(str(error)) from error
        if not (self._inflate.eof or self._fresh):
            raise _broken("it ends in the middle")


def _broken(reason: str) -> Unreadable:
    return Unreadable(what="The gzip body", reason=reason)


def _bounded(chunks: Iterable[bytes], setting: str, limit: int) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise TooLarge(what="The body", limit=limit, unit="bytes", setting=setting)
        yield chunk


def _write(chunks: Iterable[bytes], place: Path) -> None:
    with reported("store the upload"):
        file = place.open("wb")
    try:
        for chunk in chunks:
            with reported("store the upload"):
                file.write(chunk)
        with reported("store the upload"):
            file.flush()
    finally:
        with reported("store the upload"):
            file.close()
