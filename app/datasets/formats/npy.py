"""One .npy array inside a zip archive, read as a stream and never unpickled."""

import math
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from app.datasets.formats.reading import reading
from app.datasets.table import Array
from app.errors import TooLarge, Unreadable

_PIECE = 1 << 20
# Those that numpy writes; both unpack in bounded pieces.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Member(NamedTuple):
    """An array in an archive, as its header tells it; `offset` bytes of header come first."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[np.generic]
    offset: int

    @property
    def name(self) -> str:
        """The array's name, as numpy.savez was given it."""
        return self.info.filename.removesuffix(".npy")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> Member:
    """Read the header of an array.

    Raises Unreadable (objects, other packings, a length that does not fit), TooLarge.
    """
    what = f"Array {info.filename!r} of the .npz"
    if info.file_size > limit:
        raise TooLarge(what=what, limit=limit, unit="bytes", setting="max_dataset_bytes")
    if info.compress_type not in _METHODS or info.flag_bits & 1:
        raise Unreadable(what=what, reason="it is encrypted, or packed in a way that numpy does not use")
    with reading(what), archive.open(info) as file:
        shape, by_columns, dtype = _header(file)
        member = Member(info, shape, by_columns, dtype, file.tell())
    if dtype.hasobject:
        raise Unreadable(
            what=what,
            reason="it holds Python objects, which are never unpickled here; save plain numbers or text",
        )
    if member.offset + math.prod(shape) * dtype.itemsize != info.file_size:
        raise Unreadable(what=what, reason=f"its header tells {shape} {dtype}, but its length is another")
    return member


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, "np.dtype[np.generic]"]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, by_columns, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"its .npy version is {version[0]}.{version[1]}, not 1.0 or 2.0")
    return shape, by_columns, dtype


def row_blocks(archive: zipfile.ZipFile, member: Member, rows: int, scratch: Path) -> Iterator[Array]:
    """The array in blocks of `rows` rows, each in row order with the dtype of the file.

    An array kept by columns is unpacked to `scratch` first and gathered from there. Raises Unreadable.
    """
    if member.by_columns and len(member.shape) > 1:
        return _gathered(archive, member, rows, scratch)
    return _streamed(archive, member, rows)


def _streamed(archive: zipfile.ZipFile, member: Member, rows: int) -> Iterator[Array]:
    what = f"Array {member.info.filename!r} of the .npz"
    with archive.open(member.info) as file:
        with reading(what):
            _read(file, member.offset)
        for start in range(0, member.shape[0], rows):
            count = min(rows, member.shape[0] - start)
            with reading(what):
                data = _read(file, count * member.row_bytes)
            yield np.frombuffer(data, dtype=member.dtype).reshape(count, *member.shape[1:])
        with reading(what):
            file.read(1)  # at the end, zipfile compares the checksum


def _read(file: IO[bytes], size: int) -> bytes:
    pieces = []
    while size:
        piece = file.read(min(size, _PIECE))
        if not piece:
            raise EOFError("it ends in the middle")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _gathered(archive: zipfile.ZipFile, member: Member, rows: int, scratch: Path) -> Iterator[Array]:
    _unpack(archive, member, scratch)
    total, width, size = member.shape[0], math.prod(member.shape[1:]), member.dtype.itemsize
    lanes = np.arange(width).reshape(member.shape[1:], order="F").ravel()
    with scratch.open("rb") as file:
        for start in range(0, total, rows):
            count = min(rows, total - start)
            block = np.empty((count, width), dtype=member.dtype)
            for position, lane in enumerate(lanes):
                data = os.pread(file.fileno(), count * size, (int(lane) * total + start) * size)
                block[:, position] = np.frombuffer(data, dtype=member.dtype)
            yield block.reshape(count, *member.shape[1:])
    scratch.unlink()


def _unpack(archive: zipfile.ZipFile, member: Member, scratch: Path) -> None:
    what = f"Array {member.info.filename!r} of the .npz"
    with archive.open(member.info) as file, scratch.open("wb") as out:
        with reading(what):
            _read(file, member.offset)
        while True:
            with reading(what):
                piece = file.read(_PIECE)
            if not piece:
                break
            out.write(piece)
