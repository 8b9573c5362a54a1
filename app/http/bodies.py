"""A request's body in memory, with its size bounded before and after decompression, and its sender's patience."""

import asyncio

from starlette.requests import Request
from starlette.types import Receive

from app.errors import TooLarge, TooSlow, Unreadable
from app.http.wire.compression import inflate


async def read_body(request: Request, *, limit: int, setting: str) -> bytes:
    """The whole body, decompressed.

    Raises: TooLarge, naming the setting; Unreadable; TooSlow; UnsupportedType.
    """
    encoding = request.headers.get("content-encoding", "")
    return await receive_body(request.receive, encoding, limit=limit, setting=setting)


async def receive_body(
    receive: Receive, encoding: str, *, limit: int, setting: str, idle_seconds: float = 60.0
) -> bytes:
    """As `read_body`, of a bare ASGI request; what has come already, as small bodies have, costs one call."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        body = await _rest(receive, body, limit, idle_seconds)
    elif message["type"] == "http.disconnect":
        raise _closed()
    if len(body) > limit:
        raise _too_large(limit, setting)
    return inflate(body, encoding, limit=limit, setting=setting) if encoding else body


async def _rest(receive: Receive, first: bytes, limit: int, idle_seconds: float) -> bytes:
    """The body whose first part has come, up to a little more than the limit."""
    parts, size, more = [first], len(first), True
    while more and size <= limit:
        try:
            async with asyncio.timeout(idle_seconds):
                message = await receive()
        except TimeoutError as error:
            raise TooSlow(seconds=idle_seconds) from error
        if message["type"] == "http.disconnect":
            raise _closed()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
    return b"".join(parts)


def _closed() -> Unreadable:
    return Unreadable(what="The body", reason="the connection closed before its end")


def _too_large(limit: int, setting: str) -> TooLarge:
    return TooLarge(what="The body", limit=limit, unit="bytes", setting=setting)
