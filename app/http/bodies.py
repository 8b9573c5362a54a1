"""A request's body in memory, with its size bounded before and after decompression."""

import zlib

from starlette.requests import ClientDisconnect, Request

from app.errors import TooLarge, Unreadable
from app.http.uploads import content_encoding

_GZIP = 16 + zlib.MAX_WBITS


async def read_body(request: Request, *, limit: int, setting: str) -> bytes:
    """The whole body, decompressed.

    Raises: TooLarge, naming the setting; Unreadable; UnsupportedType, for another encoding than gzip.
    """
    gzip = content_encoding(request) == "gzip"
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _too_large(limit, setting)
    except ClientDisconnect as error:
        raise Unreadable(what="The body", reason="the connection closed before its end") from error
    return _gunzip(bytes(body), limit, setting) if gzip else bytes(body)


def _gunzip(body: bytes, limit: int, setting: str) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Unreadable(what="The gzip body", reason=str(error)) from error
    if len(plain) > limit:
        raise _too_large(limit, setting)
    if not stream.eof:
        raise Unreadable(what="The gzip body", reason="it ends early")
    return plain


def _too_large(limit: int, setting: str) -> TooLarge:
    return TooLarge(what="The body", limit=limit, unit="bytes", setting=setting)
