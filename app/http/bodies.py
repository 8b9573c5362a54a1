"""A request's body in memory, with its size bounded before and after decompression, and its sender's patience."""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

from starlette.requests import Request
from starlette.types import Message, Receive

from app.datasets.formats.json import parse
from app.errors import Invalid, Problem, TooLarge, TooSlow, Unreadable
from app.http.wire.compression import inflate
from app.settings import Settings


async def read_body(request: Request, *, limit: int, setting: str, idle_seconds: float) -> bytes:
    """The whole body, decompressed.

    Raises: TooLarge, naming the setting; Unreadable; TooSlow; UnsupportedType.
    """
    encoding = request.headers.get("content-encoding", "")
    return await receive_body(
        request.receive, encoding, limit=limit, setting=setting, idle_seconds=idle_seconds
    )


async def read_json(request: Request, settings: Settings) -> tuple[bytes, dict[str, Any]]:
    """A body that is a JSON object, as it came and as a value; without any body an empty object.

    Raises: as `read_body`; Invalid.
    """
    body = await read_body(
        request,
        limit=settings.max_json_bytes,
        setting="max_json_bytes",
        idle_seconds=settings.idle_seconds,
    )
    value = parse(body or b"{}", most_levels=settings.max_json_depth)
    if not isinstance(value, dict):
        raise Invalid(Problem(message="the body is a JSON object", location="body"))
    return body, value


async def receive_body(
    receive: Receive, encoding: str, *, limit: int, setting: str, idle_seconds: float
) -> bytes:
    """As `read_body`, of a bare ASGI request; what has come already, as small bodies have, costs one call."""
    message = await _first(receive, idle_seconds)
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        body = await _rest(receive, body, limit, idle_seconds)
    elif message["type"] == "http.disconnect":
        raise closed()
    if len(body) > limit:
        raise _too_large(limit, setting)
    return inflate(body, encoding, limit=limit, setting=setting) if encoding else body


async def next_message(receive: Receive, idle_seconds: float) -> Message:
    """The next message of a request. Raises: TooSlow."""
    return await _patiently(receive(), idle_seconds)


async def _first(receive: Receive, idle_seconds: float) -> Message:
    """As `next_message`, without the cost of a timer where the message is there already."""
    call: Any = receive()
    try:
        waits_for = call.send(None)
    except StopIteration as done:
        message: Message = done.value
        return message
    return await _patiently(_continued(call, waits_for), idle_seconds)


@coroutine
def _continued(call: Coroutine[Any, Any, Message], waits_for: Any) -> Generator[Any, Any, Message]:
    """The rest of a call that was begun by hand and waits for something."""
    while True:
        try:
            try:
                got = yield waits_for
            except BaseException as error:
                waits_for = call.throw(error)
            else:
                waits_for = call.send(got)
        except StopIteration as done:
            message: Message = done.value
            return message


async def _patiently(message: Any, idle_seconds: float) -> Message:
    try:
        async with asyncio.timeout(idle_seconds):
            found: Message = await message
            return found
    except TimeoutError as error:
        raise TooSlow(seconds=idle_seconds) from error


async def _rest(receive: Receive, first: bytes, limit: int, idle_seconds: float) -> bytes:
    """The body whose first part has come, up to a little more than the limit."""
    parts, size, more = [first], len(first), True
    while more and size <= limit:
        message = await next_message(receive, idle_seconds)
        if message["type"] == "http.disconnect":
            raise closed()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
    return b"".join(parts)


def closed() -> Unreadable:
    """The error for a sender who left."""
    return Unreadable(what="The body", reason="the connection closed before its end")


def _too_large(limit: int, setting: str) -> TooLarge:
    return TooLarge(what="The body", limit=limit, unit="bytes", setting=setting)
