"""The body of a request: JSON, then the binary data of its inputs, one after another."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import TooLarge, Unreadable
from app.http.wire import compression
from app.http.wire.problems import printable

HEADER = "inference-header-content-length"
_WHOLE = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, kw_only=True)
class Body:
    """`head` is the JSON, `blobs` what follows it; without a head, `blobs` is one raw tensor."""

    head: bytes | None
    blobs: memoryview


def split(headers: Mapping[str, str], body: bytes, *, limit: int, setting: str) -> Body:
    """The body's parts, by its headers (lower-case names); the type it says it has does not matter.

    Raises: Unreadable, TooLarge (naming the setting), UnsupportedType (another encoding than gzip and deflate).
    """
    encoding = headers.get("content-encoding", "")
    if encoding:
        body = compression.inflate(body, encoding, limit=limit, setting=setting)
    if len(body) > limit:
        raise TooLarge(what="The body", limit=limit, unit="bytes", setting=setting)
    said = headers.get(HEADER)
    if said is None:
        return Body(head=body, blobs=memoryview(b""))
    length = int(said) if _WHOLE.fullmatch(said.strip()) else -1  # the parser leaves blanks behind it
    if not 0 <= length <= len(body):
        reason = f"Inference-Header-Content-Length must be from 0 to {len(body)}, got {printable(said)!r}"
        raise Unreadable(what="The request", reason=reason)
    return Body(head=body[:length] if length else None, blobs=memoryview(body)[length:])
