"""A file as an answer, whole or in parts (`Range`); a part that is not there is an error like any other."""

from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

_REFUSED = {
    400: "The header Range could not be read; it is written bytes=0-99.",
    416: "The header Range asks for bytes that the file does not have.",
}


class File(FileResponse):
    """The framework's, whose own refusals are plain text."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises: HTTPException, before anything is sent."""

        async def checked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _REFUSED:
                size = Headers(raw=message["headers"]).get("content-range")
                told = {"Content-Range": size} if size else None
                raise HTTPException(message["status"], _REFUSED[message["status"]], told)
            await send(message)

        await super().__call__(scope, receive, checked)
