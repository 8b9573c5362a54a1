"""Compressed bodies, both ways: gzip and deflate (the zlib format), bounded when they are unpacked."""

import zlib
from collections.abc import Mapping

from app.errors import TooLarge, Unreadable, UnsupportedType
from app.http.wire.accept import ranges
from app.http.wire.problems import printable

_WINDOW: Mapping[str, int] = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_MEMBER = b"\x1f\x8b"  # what another part of a gzip file begins with: files joined are a file (RFC 1952, section 2.2)
_NAMES = {"": "identity", "x-gzip": "gzip"}
_LEVEL = 1  # an answer is mostly numbers: a higher level costs much and saves little
_SMALL = 1024  # an answer below this is not worth the work


def inflate(body: bytes, encoding: str, *, limit: int, setting: str) -> bytes:
    """The body without the encoding that a `Content-Encoding` header names.

    Raises: TooLarge, once more than `limit` bytes came out; Unreadable; UnsupportedType.
    """
    named = encoding.strip().lower()
    named = _NAMES.get(named, named)
    if named == "identity":
        return body
    if named not in _WINDOW:
        raise UnsupportedType(
            got=f"Content-Encoding: {printable(encoding)}", expected="gzip, deflate, identity"
        )
    parts: list[bytes] = []
    size, rest = 0, body
    while True:
        stream = zlib.decompressobj(_WINDOW[named])
        try:
            parts.append(stream.decompress(rest, limit + 1 - size))
        except zlib.error as error:
            raise Unreadable(what=f"The {named} body", reason=str(error)) from error
        size += len(parts[-1])
        if size > limit:
            raise TooLarge(what="The body", limit=limit, unit="bytes", setting=setting)
        rest = stream.unused_data
        if not (stream.eof and named == "gzip" and rest.startswith(_MEMBER)):
            break
    if not stream.eof or rest:
        reason = "more follows its end" if stream.eof else "it ends early"
        raise Unreadable(what=f"The {named} body", reason=reason)
    return b"".join(parts)


def wanted(accept_encoding: str, size: int) -> str | None:
    """The encoding for an answer of that size: what an `Accept-Encoding` header likes best, or None."""
    if not accept_encoding or size < _SMALL:
        return None
    liked = {each.kind: each.quality for each in ranges(accept_encoding)}
    quality, name = max((liked.get(name, liked.get("*", 0.0)), name) for name in _WINDOW)
    return name if quality > liked.get("identity", 0.0) else None


def deflate(parts: list[bytes | memoryview], encoding: str) -> bytes:
    """The parts, one after another, in that encoding."""
    stream = zlib.compressobj(_LEVEL, wbits=_WINDOW[encoding])
    return b"".join([*map(stream.compress, parts), stream.flush()])
