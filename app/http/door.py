"""The door in front of everything: request ids, keys, counting, the access log; then the lane or the framework."""

import logging
import re
import secrets
from itertools import count
from time import perf_counter

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import NeuronaError
from app.http.errors import respond, unexpected
from app.http.hardening import hardened
from app.http.keys import Keys, Role, role_needed
from app.http.lane import Lane, send_reply
from app.http.meters import Meters

log = logging.getLogger("neurona.access")

_SAFE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Door:
    """ASGI: lets requests in by their keys, gives each an id, and counts its answer."""

    def __init__(self, app: ASGIApp, *, lane: Lane, keys: Keys, meters: Meters, metrics_open: bool) -> None:
        self._app, self._lane, self._keys, self._meters = app, lane, keys, meters
        self._metrics_open = metrics_open
        self._process, self._numbers = secrets.token_hex(4).encode(), count()  # of the ids made here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; whatever goes wrong, with an id and in the contract's form."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id")
        if request_id is None or not _SAFE.fullmatch(request_id):
            request_id = b"%s%08x" % (self._process, next(self._numbers))
        scope["request_id"] = request_id.decode()
        method, path = scope["method"], scope["path"]
        call = self._lane.takes(path) if method == "POST" else None
        if call is None:
            await self._through(scope, receive, send, headers=headers, began=began)
            return
        try:
            self._keys.check(Role.PREDICT, headers, _address(scope))
            reply = await self._lane.answer(call, headers, receive)
        except Exception as error:
            await self._refuse(scope, receive, send, error=error, began=began, route=call.route)
            return
        await send_reply(send, reply, request_id)
        self._count(scope, call.route, reply.status, began)

    async def _through(
        self, scope: Scope, receive: Receive, send: Send, *, headers: dict[bytes, bytes], began: float
    ) -> None:
        """Hand a request on to the framework; its answer gets the id."""
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = hardened(message.get("headers", ()), scope["request_id"].encode())
            await send(message)

        needed = role_needed(scope["method"], scope["path"])
        if self._metrics_open and scope["path"] == "/metrics":
            needed = Role.NOBODY
        try:
            self._keys.check(needed, headers, _address(scope))
        except NeuronaError as error:
            await self._refuse(scope, receive, send, error=error, began=began, route="(refused)")
            return
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._count(scope, getattr(scope.get("route"), "path", "(none)"), status, began)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, *, error: Exception, began: float, route: str
    ) -> None:
        request = Request(scope, receive)
        if isinstance(error, NeuronaError):
            answer = respond(request, error)
        else:
            answer = unexpected(request)
            log.error("%s %s broke (%s)", scope["method"], scope["path"], scope["request_id"], exc_info=error)
        answer.raw_headers = hardened(answer.raw_headers, scope["request_id"].encode())
        await answer(scope, receive, send)
        self._count(scope, route, answer.status_code, began)

    def _count(self, scope: Scope, route: str, status: int, began: float) -> None:
        seconds = perf_counter() - began
        self._meters.request(scope["method"], route, status, seconds)
        if log.isEnabledFor(logging.INFO):
            log.info(
                "%s %s %d",
                scope["method"],
                scope["path"],
                status,
                extra={"request_id": scope["request_id"], "status": status, "seconds": round(seconds, 6)},
            )


def _address(scope: Scope) -> str | None:
    server = scope.get("server")
    return None if server is None or server[1] is None else str(server[0])
