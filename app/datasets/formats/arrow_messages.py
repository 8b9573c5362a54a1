"""The messages of an Arrow stream, looked at before anything is unpacked: a compressed batch tells its true size.

Arrow allocates what a compressed buffer claims to be, so the claims are added up first. Messages are flatbuffers
(https://arrow.apache.org/docs/format/Columnar.html, Message.fbs); the few fields needed are read by hand.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from pyarrow import ipc

from app.errors import TooLarge, Unreadable

MOST_UNPACKED = 1 << 30
END = b"\xff\xff\xff\xff\0\0\0\0"

_DICTIONARY, _BATCH = 2, 3  # kinds of messages, of those that carry rows
_KIND, _HEADER, _DICTIONARY_DATA = 1, 2, 1  # places of fields in their tables
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3  # of a record batch
_EXPERIMENTAL = b"ARROW:experimental_compression"  # how Arrow 0.17 said it, and readers still understand


class Table(NamedTuple):
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

    def follow(self, number: int) -> "Table":
        """The table or vector that a field points at. Raises ValueError if the field is left out."""
        at = self.field(number)
        if at is None:
            raise ValueError("a message lacks a part")
        return Table(self.data, at + struct.unpack_from("<I", self.data, at)[0])


class Weighed(NamedTuple):
    """How many record batches a stream has, and the bytes of its largest message."""

    batches: int
    largest: int


class RowMessage(NamedTuple):
    """A message with rows, or with the texts of a dictionary: its RecordBatch table, and its buffers."""

    batch: Table
    body: Any
    is_dictionary: bool

    @property
    def rows(self) -> int:
        """How many it adds to the stream."""
        at = None if self.is_dictionary else self.batch.field(_LENGTH)
        return 0 if at is None else int(struct.unpack_from("<q", self.batch.data, at)[0])

    @property
    def compressed(self) -> bool:
        """Whether its buffers are."""
        return self.batch.field(_COMPRESSION) is not None or _EXPERIMENTAL in self.batch.data


def check_end(what: str, tail: bytes) -> None:
    """Raises Unreadable unless a stream that ends so has its end marker: else nobody can tell what was cut off it."""
    if not tail.endswith(END):
        raise Unreadable(what=what, reason="it has no end marker; was it cut off?")


def row_messages(source: Any) -> Iterator[RowMessage]:
    """Those of a stream, none of them unpacked. Raises what Arrow raises, and struct.error or ValueError."""
    for message in ipc.MessageReader.open_stream(source):
        data = message.metadata.to_pybytes()
        root = Table(data, struct.unpack_from("<I", data, 0)[0])
        kind = data[root.field(_KIND) or 0]
        if kind in (_BATCH, _DICTIONARY):
            header, inner = root.follow(_HEADER), kind == _DICTIONARY
            batch = header.follow(_DICTIONARY_DATA) if inner else header
            yield RowMessage(batch, message.body, inner)


def weigh(source: Any) -> Weighed:
    """Look at all messages of a stream. Raises TooLarge, and what Arrow raises."""
    batches = largest = 0
    for message in row_messages(source):
        _weigh_unpacked(message)
        batches += not message.is_dictionary
        largest = max(largest, message.body.size if message.body else 0)
    return Weighed(batches, largest)


def _weigh_unpacked(message: RowMessage) -> None:
    batch, body = message.batch, message.body
    if not message.compressed:
        return
    buffers = batch.follow(_BUFFERS)
    (count,) = struct.unpack_from("<I", buffers.data, buffers.at)
    unpacked = 0
    for number in range(count):
        offset, length = struct.unpack_from("<qq", buffers.data, buffers.at + 4 + 16 * number)
        if length >= 8:
            (claim,) = struct.unpack_from("<q", body, offset)
            unpacked += max(claim, length)
    check_unpacked(unpacked, "bytes unpacked")


def check_unpacked(size: int, unit: str) -> None:
    """Raises TooLarge for a record batch that is more than Arrow may have of it in memory."""
    if size > MOST_UNPACKED:
        raise TooLarge(
            what="A record batch", limit=MOST_UNPACKED, unit=unit, setting="fixed; write smaller batches"
        )
