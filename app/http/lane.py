"""The prediction lane: the paths that must be fast, answered before the framework sees them.

FastAPI's routing, dependencies and response classes cost more than a small prediction itself (docs/performance.md
has the figures). The lane does what the routes of the same paths describe on the OpenAPI page, with the same errors;
keys, request ids and metrics it shares with all others through the door in front of it. Everything else goes on to
the framework.
"""

from collections.abc import Mapping

import anyio.to_thread
from starlette.types import Receive, Send

from app.errors import Busy
from app.http.bodies import receive_body
from app.http.native import Desk, predict
from app.settings import Settings

_BEGIN, _END = "/v1/models/", "/predict"
_LARGE_BODY = (
    32 * 1024 * 1024
)  # a larger one is computed in a thread, so that the others need not wait for it


class Lane:
    """Answers predictions of the native protocol, at most `max_in_flight` at once."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self._desk, self._settings = desk, settings
        self._in_flight = 0

    def takes(self, path: str) -> str | None:
        """The model reference, if the path is one of the lane's."""
        if path.startswith(_BEGIN) and path.endswith(_END):
            ref = path[len(_BEGIN) : -len(_END)]
            if "/" not in ref:
                return ref
        return None

    async def answer(self, ref: str, headers: Mapping[bytes, bytes], receive: Receive) -> tuple[bytes, str]:
        """The answer's bytes and media type.

        Raises: Busy, if too many are in flight; else as `receive_body` and `predict`.
        """
        if self._in_flight >= self._settings.max_in_flight:
            raise Busy(reason=f"{self._in_flight} predictions are in flight already (max_in_flight)")
        self._in_flight += 1
        try:
            return await self._answer(ref, headers, receive)
        finally:
            self._in_flight -= 1

    async def _answer(self, ref: str, headers: Mapping[bytes, bytes], receive: Receive) -> tuple[bytes, str]:
        settings = self._settings
        body = await receive_body(
            receive,
            headers.get(b"content-encoding", b"").decode("latin-1"),
            limit=settings.max_predict_bytes,
            setting="max_predict_bytes",
            idle_seconds=settings.idle_seconds,
        )
        media_type = headers.get(b"content-type", b"").decode("latin-1")
        accept = headers.get(b"accept", b"*/*").decode("latin-1")

        model = self._desk.predictor.model_at_hand(ref)
        if model is not None and len(body) <= _LARGE_BODY:
            return predict(self._desk, model, body, media_type=media_type, accept=accept)
        return await anyio.to_thread.run_sync(self._at_leisure, ref, body, media_type, accept)

    def _at_leisure(self, ref: str, body: bytes, media_type: str, accept: str) -> tuple[bytes, str]:
        """In a thread: a model that must be loaded first, or a body that takes long."""
        model = self._desk.predictor.model(ref)
        return predict(self._desk, model, body, media_type=media_type, accept=accept)


async def send_answer(send: Send, content: bytes, media_type: str, request_id: bytes) -> None:
    """A good answer, in the two messages of ASGI."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(content)).encode()),
        (b"x-request-id", request_id),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
