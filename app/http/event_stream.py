"""Server-sent events to a reader who may be slow: what waits for him is bounded, and so is how long."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

log = logging.getLogger("neurona.http")

_PIECE = 64 * 1024
_SLOW_SECONDS = 15.0  # with no room in his buffers; he can come back with Last-Event-ID


class EventStream(Response):
    """Sends events as they come, until they end, the reader leaves, or he does not read for some seconds."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], *, slow_seconds: float = _SLOW_SECONDS) -> None:
        self._events, self._slow_seconds = events, slow_seconds
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the stream."""
        stream = asyncio.create_task(self._stream(send))
        left = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait((stream, left), return_when=asyncio.FIRST_COMPLETED)
            if not left.done():
                await stream
        except TimeoutError:
            log.info("%s: a reader was too slow and has been left", scope["path"])
            _abort(receive)
        finally:
            for task in (stream, left):
                task.cancel()
            await asyncio.gather(stream, left, return_exceptions=True)

    async def _stream(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._events) as stream:
            async for events in stream:
                for start in range(0, len(events), _PIECE):
                    piece = events[start : start + _PIECE]
                    async with asyncio.timeout(self._slow_seconds):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _abort(receive: Receive) -> None:
    """Close the connection without waiting for what the reader does not take.

    ASGI has no word for it; under uvicorn `receive` belongs to the connection. Elsewhere the server's own
    limits end it.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    abort = getattr(transport, "abort", None)
    if callable(abort):
        abort()
