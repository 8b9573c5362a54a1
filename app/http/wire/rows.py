"""The rows of a prediction's body, whatever its format."""

from typing import Protocol

from app.errors import UnsupportedType
from app.http.wire import arrow_rows, csv_rows, json_rows, npy_rows
from app.http.wire.json_document import Parser
from app.http.wire.request import Request
from core.encoding import Encoding


class Reader(Protocol):
    """How every format but JSON is read."""

    def __call__(self, body: bytes, encoding: Encoding, *, max_rows: int) -> Request: ...


JSON = "application/json"
READERS: dict[str, Reader] = {
    "application/x-npy": npy_rows.read,
    "application/vnd.apache.arrow.stream": arrow_rows.read,
    "text/csv": csv_rows.read,
}


def read(
    body: bytes,
    media_type: str,
    encoding: Encoding,
    *,
    max_rows: int,
    parser: Parser | None = None,
) -> Request:
    """The rows of `body`, checked against the model's schema. No media type at all means JSON.

    A server that keeps one `parser` spares large JSON bodies some page faults; one that is busy is replaced by a new
    one. Only JSON says `top_k` and `explain`.
    Raises `UnsupportedType`, `Unreadable` (not what the media type says), `Invalid` (not this model's rows:
    up to twenty problems, each with its place) or `TooLarge`.
    """
    kind = media_type if media_type == JSON else media_type.partition(";")[0].strip().lower()
    if kind in (JSON, ""):
        return json_rows.read(body, encoding, max_rows=max_rows, parser=parser)
    if kind not in READERS:
        raise UnsupportedType(got=kind, expected=", ".join((JSON, *READERS)))
    return READERS[kind](body, encoding, max_rows=max_rows)
