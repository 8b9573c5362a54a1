"""A file as an answer, whole or in parts (`Range`), or not at all to who has it already (`If-None-Match`)."""

import os

import anyio.to_thread
from fastapi.responses import FileResponse, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

_REFUSED = {
    400: "The header Range could not be read; it is written bytes=0-99.",
    416: "The header Range asks for bytes that the file does not have.",
}
_OF_THE_BODY = ("content-length", "content-type")


class File(FileResponse):
    """The framework's, whose own refusals are plain text, and which gives an ETag and heeds none."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises: HTTPException, before anything is sent."""

        async def checked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _REFUSED:
                size = Headers(raw=message["headers"]).get("content-range")
                told = {"Content-Range": size} if size else None
                raise HTTPException(message["status"], _REFUSED[message["status"]], told)
            await send(message)

        self.stat_result = await anyio.to_thread.run_sync(os.stat, self.path)
        self.set_stat_headers(self.stat_result)
        known = {
            tag.strip().removeprefix("W/") for tag in Headers(scope=scope).get("if-none-match", "").split(",")
        }
        if known & {self.headers["etag"], "*"}:
            # With all that the whole answer says of itself: browsers put it in the place of what they remember.
            kept = {name: value for name, value in self.headers.items() if name not in _OF_THE_BODY}
            await Response(status_code=304, headers=kept)(scope, receive, send)
        else:
            await super().__call__(_in_bytes(scope), receive, checked)


def _in_bytes(scope: Scope) -> Scope:
    """The request without a `Range` in another unit, which is to be passed over (RFC 9110, section 14.2)."""
    unit, given, _ = Headers(scope=scope).get("range", "").partition("=")
    if not given or unit.strip().lower() == "bytes":
        return scope
    return without_range(scope)


def without_range(scope: Scope) -> Scope:
    """The request as one for the whole."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"range"]}
