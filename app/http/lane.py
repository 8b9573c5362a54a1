"""The prediction lane: the paths that must be fast, answered before the framework sees them.

FastAPI's routing, dependencies and response classes stand between a small prediction and its answer (bench/serving.py
measures it beside a bare server). The lane does what the routes of the same paths describe on the OpenAPI page, with
the same errors; keys, request ids and metrics it shares with all others through the door in front of it. Everything
else goes on to the framework.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from app.errors import Invalid, ModelBroken, NeuronaError, Problem
from app.http.bodies import Patience, check_length, receive_body
from app.http.errors import protocol_status, status_of
from app.http.hardening import RawHeaders
from app.http.native import Desk, predict
from app.http.oip.inference import Inference
from app.http.oip.reply import Reply
from app.http.turns import Turns
from app.http.wire.json_rows import FIELDS
from app.repository.model import Model
from app.settings import Settings

Headers: TypeAlias = Mapping[bytes, bytes]

_MODELS, _PREDICT = "/v1/models/", "/predict"
_TENSORS, _INFER = "/v2/models/", "/infer"
_LONGEST_PATH = 300  # that is remembered: names have 64 characters, and anybody may send longer ones
_UNAVAILABLE = 503  # what only a model that there is can be
_FAILED, _BROKEN = 400, 500  # a status from here on is no prediction, and that of a fault of our own
_SMALL_BODY = 64 * 1024  # waits for its rest without a place: uvicorn has it in memory anyway
_LARGE_BODY = 32 * 1024 * 1024  # a larger one is computed in a thread: the others need not wait for it


def combined(headers: RawHeaders) -> Headers:
    """The headers by name; one that is given several times is the list of what it said (RFC 9110, section 5.3)."""
    found = dict(headers)
    if len(found) != len(headers):
        for name in found:
            found[name] = b", ".join(value for other, value in headers if other == name)
    return found


def texts(headers: Headers) -> Mapping[str, str]:
    """The same as text."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}


class Call(NamedTuple):
    """A path of the lane: its route as metrics name it, the model, and for the inference protocol the version."""

    route: str
    model: str
    version: str | None = None
    native: bool = False


class Head(NamedTuple):
    """A request to the lane before its body: what it calls, and its headers by their names in lower case."""

    call: Call
    headers: Mapping[str, str]


class Lane:
    """Answers predictions of both protocols; of those that must be waited for, `max_in_flight` at a time."""

    def __init__(self, desk: Desk, inference: Inference, settings: Settings) -> None:
        self._desk, self._inference, self._settings = desk, inference, settings
        self._patience = Patience.of(settings)
        self.turns = Turns(
            settings.max_in_flight, waiting=settings.max_waiting, seconds=settings.wait_seconds
        )

    @staticmethod
    def takes(path: str) -> Call | None:
        """What is called, if the path is one of the lane's."""
        return (_call if len(path) <= _LONGEST_PATH else _find_call)(path)

    @staticmethod
    def takes_plainly(url: bytes) -> Call | None:
        """The same of a URL as it was sent, if it is a path and nothing else, with nothing in it to decode."""
        return _plain_call(url) if len(url) <= _LONGEST_PATH else None

    def at_once(self, head: Head, body: bytes) -> Reply | None:
        """The answer to a call whose body is all here, if that needs no waiting; None to have it asked in `answer`.

        Raises as `predict`, uncounted: it will be asked again.
        """
        packed = head.call.native and "content-encoding" in head.headers
        if packed or len(body) > self._settings.max_predict_bytes:
            return None
        reply = self._now(head, body)
        if reply is not None and reply.status >= _FAILED:
            self._fail(head.call, reply.status)
        return reply

    async def answer(self, head: Head, receive: Receive, query: bytes = b"") -> Reply:
        """The answer to a call; one that fails is counted.

        Raises: Busy, if too many wait already or its turn does not come, which small ones need none of; else as
        `receive_body` and, in the native protocol, `predict`.
        """
        call = head.call
        try:
            if call.native and query:
                _check_query(query)
            reply = await self._in_turn(head, receive)
        except Exception as error:
            status = status_of(error) if isinstance(error, NeuronaError) else _BROKEN
            known = isinstance(error, ModelBroken)
            self._fail(call, status if call.native else protocol_status(status), known=known)
            raise
        if reply.status >= _FAILED:
            self._fail(call, reply.status, known=reply.status == _UNAVAILABLE)
        return reply

    async def _in_turn(self, head: Head, receive: Receive) -> Reply:
        body = await self._body(head, receive) if _small(head) else None
        if body is not None and (reply := self._now(head, body)) is not None:
            return reply
        async with self.turns:
            if body is None:
                body = await self._body(head, receive)
                if (reply := self._now(head, body)) is not None:
                    return reply
            return await anyio.to_thread.run_sync(self._later, head, body)

    async def _body(self, head: Head, receive: Receive) -> bytes:
        # the inference protocol unpacks its parts itself
        encoding = head.headers.get("content-encoding", "") if head.call.native else ""
        length = head.headers.get("content-length", "")
        check_length(length, limit=self._settings.max_predict_bytes, setting="max_predict_bytes")
        return await receive_body(
            receive,
            encoding,
            limit=self._settings.max_predict_bytes,
            setting="max_predict_bytes",
            patience=self._patience,
        )

    def _fail(self, call: Call, status: int, *, known: bool = False) -> None:
        """Count a failure under the name that was called, if it is of a model, or one word for all else."""
        name = call.model.partition("@")[0]
        with suppress(NeuronaError):
            known = known or self._desk.predictor.model_at_hand(name) is not None
        self._desk.meters.fail("native" if call.native else "oip", name if known else "(other)", status)

    async def respond(self, request: Request) -> Response:
        """The same, for the routes that describe these paths on the OpenAPI page."""
        call = self.takes(request.url.path)
        assert call is not None, "the routes and the lane have the same paths"
        head = Head(call, texts(combined(request.scope["headers"])))
        reply = await self.answer(head, request.receive, request.scope["query_string"])
        return Response(reply.body, reply.status, dict(reply.headers))

    def _predict(self, model: Model, head: Head, body: bytes, *, long: bool) -> Reply | None:
        media_type, accept = head.headers.get("content-type", ""), head.headers.get("accept", "")
        written = predict(self._desk, model, body, media_type=media_type, accept=accept, long=long)
        return None if written is None else Reply(200, {"content-type": written[1]}, written[0])

    def _now(self, head: Head, body: bytes) -> Reply | None:
        """The answer, if it needs neither the disk nor long work."""
        if len(body) > _LARGE_BODY:
            return None
        call = head.call
        if not call.native:
            at_hand = self._inference.at_hand(call.model, call.version)
            return self._infer(head, body) if at_hand else None
        model = self._desk.predictor.model_at_hand(call.model)
        return None if model is None else self._predict(model, head, body, long=False)

    def _later(self, head: Head, body: bytes) -> Reply:
        """The answer, from a thread."""
        if not head.call.native:
            return self._infer(head, body)
        reply = self._predict(self._desk.predictor.model(head.call.model), head, body, long=True)
        assert reply is not None, "long work is done here"
        return reply

    def _infer(self, head: Head, body: bytes) -> Reply:
        call, headers = head
        return self._inference.infer(model=call.model, version=call.version, headers=headers, body=body)


def _find_call(path: str) -> Call | None:
    if path.endswith(_PREDICT) and path.startswith(_MODELS):
        ref = path[len(_MODELS) : -len(_PREDICT)]
        return None if "/" in ref else Call("/v1/models/{ref}/predict", ref, native=True)
    if path.endswith(_INFER) and path.startswith(_TENSORS):
        model, *rest = path[len(_TENSORS) : -len(_INFER)].split("/")
        if not rest:
            return Call("/v2/models/{name}/infer", model)
        if len(rest) == 2 and rest[0] == "versions":
            return Call("/v2/models/{name}/versions/{version}/infer", model, rest[1])
    return None


_call = lru_cache(maxsize=1024)(_find_call)  # the same few models are asked for at every request


@lru_cache(maxsize=1024)
def _plain_call(url: bytes) -> Call | None:
    return None if b"%" in url or b"?" in url or not url.isascii() else _find_call(url.decode())


def _small(head: Head) -> bool:
    length = head.headers.get("content-length", "")
    return length.isascii() and length.isdigit() and int(length) <= _SMALL_BODY


def _check_query(query: bytes) -> None:
    """Raises: Invalid, for a field of a prediction that stands in its URL, where nobody would read it."""
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in FIELDS:
            message = f"{name} belongs into the JSON body, beside instances"
            raise Invalid(Problem(message=message, location=f"query.{name}"))
