"""The messages of an Arrow stream, looked at before anything is unpacked: a compressed batch tells its true size.

Arrow allocates what a compressed buffer claims to be, so the claims are added up first. Messages are flatbuffers
(https://arrow.apache.org/docs/format/Columnar.html, Message.fbs); the few fields needed are read by hand.
"""

import struct
from typing import Any, NamedTuple

from pyarrow import ipc

from app.errors import TooLarge

MOST_UNPACKED = 1 << 30
_DICTIONARY, _BATCH = 2, 3


class _Table(NamedTuple):
    """A flatbuffer table: `data` and where in it the table is."""

    data: bytes
    at: int

    def field(self, number: int) -> int | None:
        """Where a field's value is, None if it is left out."""
        start = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        (size,) = struct.unpack_from("<H", self.data, start)
        place = 4 + 2 * number
        offset = struct.unpack_from("<H", self.data, start + place)[0] if place < size else 0
        return self.at + offset if offset else None

    def follow(self, number: int) -> "_Table":
        """The table or vector that a field points at. Raises ValueError if the field is left out."""
        at = self.field(number)
        if at is None:
            raise ValueError("a message lacks a part")
        return _Table(self.data, at + struct.unpack_from("<I", self.data, at)[0])


class Weighed(NamedTuple):
    """How many record batches a stream has, and the bytes of its largest message."""

    batches: int
    largest: int


def weigh(source: Any) -> Weighed:
    """Look at all messages of a stream. Raises TooLarge, and what Arrow raises."""
    batches = largest = 0
    for message in ipc.MessageReader.open_stream(source):
        data = message.metadata.to_pybytes()
        root = _Table(data, struct.unpack_from("<I", data, 0)[0])
        kind = data[root.field(1) or 0]
        if kind in (_BATCH, _DICTIONARY):
            header = root.follow(2)
            _check_unpacked(header.follow(1) if kind == _DICTIONARY else header, message.body)
        batches += kind == _BATCH
        largest = max(largest, message.body.size if message.body else 0)
    return Weighed(batches, largest)


def _check_unpacked(batch: _Table, body: Any) -> None:
    if batch.field(3) is None:  # not compressed
        return
    buffers = batch.follow(2)
    (count,) = struct.unpack_from("<I", buffers.data, buffers.at)
    unpacked = 0
    for number in range(count):
        offset, length = struct.unpack_from("<qq", buffers.data, buffers.at + 4 + 16 * number)
        if length >= 8:
            (claim,) = struct.unpack_from("<q", body, offset)
            unpacked += max(claim, length)
    if unpacked > MOST_UNPACKED:
        raise TooLarge(
            what="A record batch",
            limit=MOST_UNPACKED,
            unit="bytes unpacked",
            setting="fixed; write smaller batches",
        )
