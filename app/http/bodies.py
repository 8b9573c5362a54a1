"""A request's body in memory, with its size bounded before and after decompression, and its sender's patience."""

import asyncio
import math
from collections.abc import Awaitable, Coroutine, Generator
from types import coroutine
from typing import Any, NamedTuple

import anyio.to_thread
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


class Upload:
    """A body that is not kept in memory, and how long its sender has been waited for."""

    def __init__(self, receive: Receive, patience: Patience) -> None:
        self._receive, self._patience = receive, patience
        self._waited, self._sent = 0.0, 0

    async def next(self) -> Message:
        """The next message of the request. Raises: TooSlow."""
        idle, _, rate = self._patience
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(idle):
                message = await self._receive()
        except TimeoutError as error:
            raise _idle(idle) from error
        self._waited += now() - began
        self._sent += len(message.get("body", b""))
        if self._sent < rate * (self._waited - idle):
            raise TooSlow(reason=f"The body came at less than {rate} bytes a second (min_upload_rate)")
        return message


async def read_body(request: Request, settings: Settings, setting: str = "max_json_bytes") -> bytes:
    """The whole body, decompressed, of at most as many bytes as that setting says.

    Raises: TooLarge, naming the setting; Unreadable; TooSlow; UnsupportedType.
    """
    limit, patience = getattr(settings, setting), Patience.of(settings)
    encoding = request.headers.get("content-encoding", "")
    check_length(request.headers.get("content-length", ""), limit=limit, setting=setting)
    return await receive_body(request.receive, encoding, limit=limit, setting=setting, patience=patience)


async def read_json(request: Request, settings: Settings) -> tuple[bytes, dict[str, Any]]:
    """A body that is a JSON object, as it came and as a value; without any body an empty object.

    Raises: as `read_body`; Invalid.
    """
    body = await read_body(request, settings)
    # In a thread: a large body takes seconds, which predictions would wait for.
    value = await anyio.to_thread.run_sync(lambda: parse(body or b"{}", most_levels=settings.max_json_depth))
    if not isinstance(value, dict):
        raise Invalid(Problem(message="the body is a JSON object", location="body"))
    return body, value


async def receive_body(
    receive: Receive, encoding: str, *, limit: int, setting: str, patience: Patience
) -> bytes:
    """As `read_body`, of a bare ASGI request; what has come already, as small bodies have, costs one call."""
    # Step into the call by hand: it ends at once if the body is here already, and then no alarm is set. Else the rest
    # of that same call is awaited; another one would miss its message.
    call: Any = receive()
    try:
        waits_for = call.send(None)
    except StopIteration as done:
        body = _whole(done.value)
        if body is None:
            body = await _rest(receive, patience, limit, [done.value.get("body", b"")])
    else:
        body = await _rest(receive, patience, limit, [], _continued(call, waits_for))
    if len(body) > limit:
        raise _too_large(limit, setting)
    return inflate(body, encoding, limit=limit, setting=setting) if encoding else body


def check_length(said: str, *, limit: int, setting: str) -> None:
    """Refuse at once what says itself that it is too large. Raises: TooLarge."""
    if said.isdecimal() and int(said) > limit:
        raise _too_large(limit, setting)


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


async def _rest(
    receive: Receive,
    patience: Patience,
    limit: int,
    parts: list[bytes],
    call: Awaitable[Message] | None = None,
) -> bytes:
    """The body that begins with these parts, up to a little more than the limit; by a call already begun, if any.

    A body may come in hundreds of parts: the alarm is set anew only after an eighth of the pause that is allowed.
    """
    idle, longest, _ = patience
    now = asyncio.get_running_loop().time
    size, armed, latest = sum(map(len, parts)), -math.inf, now() + longest
    try:
        async with asyncio.timeout(None) as alarm:
            while size <= limit:
                if now() - armed > idle / 8:
                    armed = now()
                    alarm.reschedule(min(armed + idle * 9 / 8, latest))
                message = await (receive() if call is None else call)
                call, whole = None, _whole(message)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if whole is not None:
                    break
    except TimeoutError as error:
        raise (_late(longest) if alarm.when() == latest else _idle(idle)) from error
    return b"".join(parts)


def _idle(seconds: float) -> TooSlow:
    return TooSlow(reason=f"Nothing more of the body came for {seconds:g} s (idle_seconds)")


def _late(seconds: float) -> TooSlow:
    return TooSlow(reason=f"The body took more than {seconds:g} s to come (body_seconds)")


def closed() -> Unreadable:
    """The error for a sender who left."""
    return Unreadable(what="The body", reason="the connection closed before its end")


def _too_large(limit: int, setting: str) -> TooLarge:
    return TooLarge(what="The body", limit=limit, unit="bytes", setting=setting)
