"""A request's body in memory, with its size bounded before and after decompression, and its sender's patience."""

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from types import coroutine
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.types import Message, Receive

from app.datasets.formats.json import parse
from app.errors import Invalid, Problem, TooLarge, TooSlow, Unreadable
from app.http.wire.compression import inflate
from app.settings import Settings


class Patience(NamedTuple):
    """How long a sender is waited for: for the next part of a body, and for all parts of one kept in memory; or how
    fast an upload, which may take hours, must be. Only waiting counts, not what the server does between."""

    idle_seconds: float
    body_seconds: float
    min_upload_rate: int

    @classmethod
    def of(cls, settings: Settings) -> "Patience":
        """As the settings have it."""
        return cls(settings.idle_seconds, settings.body_seconds, settings.min_upload_rate)


class Sender:
    """Who sends a body, and how long he has been waited for. `upload`: it is not kept in memory."""

    def __init__(self, receive: Receive, patience: Patience, *, upload: bool = False) -> None:
        self._receive, self._patience, self._upload = receive, patience, upload
        self._waited, self._sent = 0.0, 0

    async def next(self, call: Awaitable[Message] | None = None) -> Message:
        """The next message of the request, by a call that may have been begun already. Raises: TooSlow."""
        idle, whole, _ = self._patience
        left = idle if self._upload else min(idle, whole - self._waited)
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(left):
                message = await (self._receive() if call is None else call)
        except TimeoutError as error:
            raise self._idle() if left == idle else self._late() from error
        self._waited += now() - began
        self._sent += len(message.get("body", b""))
        if self._upload:
            self._check_rate()
        return message

    def _check_rate(self) -> None:
        idle, _, rate = self._patience
        if self._sent < rate * (self._waited - idle):
            raise TooSlow(reason=f"The body came at less than {rate} bytes a second (min_upload_rate)")

    def _idle(self) -> TooSlow:
        return TooSlow(
            reason=f"Nothing more of the body came for {self._patience.idle_seconds:g} s (idle_seconds)"
        )

    def _late(self) -> TooSlow:
        return TooSlow(
            reason=f"The body took more than {self._patience.body_seconds:g} s to come (body_seconds)"
        )


async def read_body(request: Request, *, limit: int, setting: str, patience: Patience) -> bytes:
    """The whole body, decompressed.

    Raises: TooLarge, naming the setting; Unreadable; TooSlow; UnsupportedType.
    """
    encoding = request.headers.get("content-encoding", "")
    return await receive_body(request.receive, encoding, limit=limit, setting=setting, patience=patience)


async def read_json(request: Request, settings: Settings) -> tuple[bytes, dict[str, Any]]:
    """A body that is a JSON object, as it came and as a value; without any body an empty object.

    Raises: as `read_body`; Invalid.
    """
    body = await read_body(
        request,
        limit=settings.max_json_bytes,
        setting="max_json_bytes",
        patience=Patience.of(settings),
    )
    value = parse(body or b"{}", most_levels=settings.max_json_depth)
    if not isinstance(value, dict):
        raise Invalid(Problem(message="the body is a JSON object", location="body"))
    return body, value


async def receive_body(
    receive: Receive, encoding: str, *, limit: int, setting: str, patience: Patience
) -> bytes:
    """As `read_body`, of a bare ASGI request; what has come already, as small bodies have, costs one call."""
    call: Any = receive()
    try:
        waits_for = call.send(None)
    except StopIteration as done:
        body = _whole(done.value)
        if body is None:
            body = await _rest(Sender(receive, patience), done.value, limit)
    else:
        sender = Sender(receive, patience)
        body = await _rest(sender, await sender.next(_continued(call, waits_for)), limit)
    if len(body) > limit:
        raise _too_large(limit, setting)
    return inflate(body, encoding, limit=limit, setting=setting) if encoding else body


def _whole(message: Message) -> bytes | None:
    """The body, if it is all in this message."""
    if message["type"] == "http.disconnect":
        raise closed()
    body: bytes = message.get("body", b"")
    return None if message.get("more_body", False) else body


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


async def _rest(sender: Sender, message: Message, limit: int) -> bytes:
    """The body that begins with this message, up to a little more than the limit."""
    parts, size = [], 0
    while True:
        whole = _whole(message)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if whole is not None or size > limit:
            return b"".join(parts)
        message = await sender.next()


def closed() -> Unreadable:
    """The error for a sender who left."""
    return Unreadable(what="The body", reason="the connection closed before its end")


def _too_large(limit: int, setting: str) -> TooLarge:
    return TooLarge(what="The body", limit=limit, unit="bytes", setting=setting)
