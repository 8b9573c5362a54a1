"""The door in front of everything: request ids, keys, counting, the access log; then the lane or the framework."""

import logging
import re
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from itertools import count
from time import perf_counter
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Busy, NeuronaError
from app.http.errors import ENDLESS, respond, unexpected
from app.http.hardening import NOSNIFF, RawHeaders, hardened
from app.http.keys import Keys, Role, role_needed
from app.http.lane import Head, Headers, Lane, combined, texts
from app.http.meters import Meters
from app.http.oip.reply import Reply
from app.http.parts import without_range
from app.http.protocol import Answered

log = logging.getLogger("neurona.access")

Server: TypeAlias = tuple[str, int | None] | None

_SAFE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class LetIn(NamedTuple):
    """The head of a prediction that may be answered at once, its path, and its caller's request id, empty without."""

    head: Head
    path: str
    request_id: bytes


class Door:
    """ASGI: lets requests in by their keys, gives each an id, and counts its answer.

    traced: every request goes through the framework, whose hooks trace it; its routes come to the lane, too.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        lane: Lane,
        keys: Keys,
        meters: Meters,
        metrics_open: bool,
        traced: bool = False,
    ) -> None:
        self._app, self._lane, self._keys, self._meters = app, lane, keys, meters
        self._metrics_open, self._traced = metrics_open, traced
        self._process, self._numbers = secrets.token_hex(4).encode(), count()  # of the ids made here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; whatever goes wrong, with an id and in the contract's form."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        headers = combined(scope["headers"])
        request_id = self._id(_given_id(headers))
        scope["request_id"] = request_id.decode()
        in_lane = scope["method"] == "POST" and not self._traced
        call = self._lane.takes(scope["path"]) if in_lane else None
        if call is None:
            await self._through(scope, receive, send, headers=headers, began=began)
            return
        try:
            self._keys.check(Role.PREDICT, headers, _address(scope.get("server")))
            reply = await self._lane.answer(Head(call, texts(headers)), receive, scope["query_string"])
        except Exception as error:
            await self._refuse(scope, receive, send, error=error, began=began, route=call.route)
            return
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": _headers(reply, request_id)}
        )
        await send({"type": "http.response.body", "body": reply.body})
        self._count(scope, call.route, reply.status, began)

    def let_in(self, url: bytes, headers: RawHeaders, server: Server) -> LetIn | None:
        """What the head of a POST says, if `at_once` may have an answer to it; None for all else.

        None also for what is refused: `__call__` then meets the same request, and says what is wrong.
        """
        call = self._lane.takes_plainly(url)
        if call is None:
            return None
        named = combined(headers)
        # A browser's may want more headers; one without a host is good for an old client alone.
        if b"origin" in named or b"host" not in named:
            return None
        try:
            self._keys.check(Role.PREDICT, named, _address(server))
        except NeuronaError:
            return None
        return LetIn(Head(call, texts(named)), url.decode(), _given_id(named))

    def at_once(self, let_in: LetIn, body: bytes) -> Answered | None:
        """The answer to a prediction that needs no waiting; None for all else, and for what is refused."""
        began, (head, path, given) = perf_counter(), let_in
        try:
            reply = self._lane.at_once(head, body)
        except Exception:
            return None
        if reply is None:
            return None
        request_id = self._id(given)
        seconds = perf_counter() - began
        self._meters.request("POST", head.call.route, reply.status, seconds)
        if log.isEnabledFor(logging.INFO):
            _tell("POST", path, request_id.decode(), status=reply.status, seconds=seconds)
        return Answered(reply.status, _headers(reply, request_id), reply.body)

    async def crowded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer on a connection too many: 429, and the connection closes."""
        if scope["type"] != "http":
            return

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        scope["request_id"] = self._id(_given_id(combined(scope["headers"]))).decode()
        error = Busy(reason="too many connections are open already (max_connections)")
        await self._refuse(scope, receive, send_last, error=error, began=perf_counter(), route="(crowded)")

    async def _through(
        self, scope: Scope, receive: Receive, send: Send, *, headers: Headers, began: float
    ) -> None:
        """Hand a request on to the framework; its answer gets the id."""
        status, whole = 500, False

        async def send_with_id(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
                said = _located(scope, status, message.get("headers", ()))
                message["headers"] = hardened(said, scope["request_id"].encode())
            await send(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        needed = role_needed(scope["method"], scope["path"])
        if self._metrics_open and scope["path"] == "/metrics":
            needed = Role.NOBODY
        try:
            self._keys.check(needed, headers, _address(scope.get("server")))
        except NeuronaError as error:
            await self._refuse(scope, receive, send, error=error, began=began, route="(refused)")
            return
        bodiless = scope["method"] == "HEAD" and not scope["path"].endswith(ENDLESS)
        inner = _as_get(scope) if bodiless else scope
        try:
            await self._app(inner, receive, send_with_id)
        except Exception as error:
            if not whole:
                raise
            # It has its answer: uvicorn, told of it, would close the connection without a word.
            _tell_broken(scope, error)
        finally:
            self._count(scope, getattr(inner.get("route"), "path", "(none)"), status, began)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, *, error: Exception, began: float, route: str
    ) -> None:
        """Say what was wrong."""
        request = Request(scope, receive)
        if isinstance(error, NeuronaError):
            answer = respond(request, error)
        else:
            answer = unexpected(request)
            _tell_broken(scope, error)
        answer.raw_headers = hardened(answer.raw_headers, scope["request_id"].encode())
        await answer(scope, receive, send)
        self._count(scope, route, answer.status_code, began)

    def _id(self, given: bytes) -> bytes:
        """The caller's request id, or a new one."""
        return given or b"%s%08x" % (self._process, next(self._numbers))

    def _count(self, scope: Scope, route: str, status: int, began: float) -> None:
        seconds = perf_counter() - began
        self._meters.request(scope["method"], route, status, seconds)
        if log.isEnabledFor(logging.INFO):
            _tell(scope["method"], scope["path"], scope["request_id"], status=status, seconds=seconds)


def _as_get(scope: Scope) -> Scope:
    """A HEAD request as a GET whose body the server leaves out; `Range` is for GET alone (RFC 9110, section 14.2)."""
    return {**without_range(scope), "method": "GET"}


def _located(scope: Scope, status: int, headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """With the place that an answer names as its caller reaches it."""
    return [
        (name, _place(scope, status, value) if name.lower() == b"location" else value)
        for name, value in headers
    ]


def _place(scope: Scope, status: int, said: bytes) -> bytes:
    """Below the prefix that a proxy took away. The framework's redirect from a path with a slash too many says scheme
    and host, by which the proxy may not be known, and becomes a path."""
    if status == HTTPStatus.TEMPORARY_REDIRECT:
        query = scope["query_string"]
        said = quote(scope["path"].rstrip("/")).encode() + (b"?" + query if query else b"")
    return quote(scope.get("prefix", "")).encode() + said


def _given_id(headers: Headers) -> bytes:
    """The caller's request id, if it is one that can be shown, else none."""
    given = headers.get(b"x-request-id", b"").strip()
    return given if _SAFE.fullmatch(given) else b""


def _tell_broken(scope: Scope, error: Exception) -> None:
    named = {"request_id": scope["request_id"]}
    log.error("%s %s broke", scope["method"], scope["path"], exc_info=error, extra=named)


def _tell(method: str, path: str, request_id: str, *, status: int, seconds: float) -> None:
    told = {"request_id": request_id, "status": status, "seconds": round(seconds, 6)}
    log.info("%s %s %d", method, path, status, extra=told)


def _address(server: Server) -> str | None:
    return None if server is None or str(server[0]).startswith("/") else str(server[0])


def _headers(reply: Reply, request_id: bytes) -> RawHeaders:
    """Of an answer of the lane: what it says of itself, its length and its id; and no browser takes it for a page."""
    told = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    return [*told, (b"content-length", b"%d" % len(reply.body)), NOSNIFF, (b"x-request-id", request_id)]
