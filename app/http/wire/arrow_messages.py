"""What an Arrow stream says it holds, read from its messages' own headers before anything is decoded.

Enough of FlatBuffers to find two fields of a record batch (Arrow's Message.fbs): how many rows it has, and
whether its buffers are compressed. Compressed buffers are refused: a few bytes of them can fill any memory.
"""

import struct
from collections.abc import Iterator

import pyarrow as pa

HEADER, DICTIONARY_DATA = 2, 1  # places of fields in their tables: Message.header, DictionaryBatch.data
LENGTH, COMPRESSION = 0, 3  # RecordBatch.length, RecordBatch.compression
EXPERIMENTAL = b"ARROW:experimental_compression"  # how Arrow 0.17 said it, and readers still understand


def batches(body: bytes) -> Iterator[tuple[int, bool]]:
    """Rows, and whether they are compressed, of every record batch and (with 0 rows) dictionary.

    Raises pyarrow's errors, or struct.error, for bytes that are no stream.
    """
    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(body))
    for message in _messages(reader):
        buffer = message.metadata.to_pybytes()
        table = _child(buffer, _root(buffer), HEADER)
        if message.type == "dictionary":
            table = _child(buffer, table, DICTIONARY_DATA)
        if message.type in ("dictionary", "record batch"):
            rows = _length(buffer, table) if message.type == "record batch" else 0
            yield rows, _field(buffer, table, COMPRESSION) != 0 or EXPERIMENTAL in buffer


def _messages(reader: pa.ipc.MessageReader) -> Iterator[pa.ipc.Message]:
    try:
        while True:
            yield reader.read_next_message()
    except StopIteration:
        return


def _length(buffer: bytes, table: int) -> int:
    at = _field(buffer, table, LENGTH)
    return int(struct.unpack_from("<q", buffer, at)[0]) if at else 0


def _root(buffer: bytes) -> int:
    return int(struct.unpack_from("<I", buffer, 0)[0])


def _child(buffer: bytes, table: int, field: int) -> int:
    at = _field(buffer, table, field)
    return at + int(struct.unpack_from("<I", buffer, at)[0])


def _field(buffer: bytes, table: int, field: int) -> int:
    """Where a table's field is, 0 if it was left out; a table begins with the way to its list of fields."""
    fields = table - struct.unpack_from("<i", buffer, table)[0]
    entry = 4 + 2 * field
    if entry >= struct.unpack_from("<H", buffer, fields)[0]:
        return 0
    offset = int(struct.unpack_from("<H", buffer, fields + entry)[0])
    return table + offset if offset else 0
