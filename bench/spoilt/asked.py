"""The application asked in its own process, and what every answer must be."""

import json
import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from spoilt.good import Request
from starlette.types import Message

from app.http.app import Application

_PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


class Bugs(logging.Handler):
    """The exceptions that the server logs behind an answer of 500."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep its traceback."""
        self.seen.append(logging.Formatter().format(record))


async def ask(app: Application, request: Request, parts: int) -> Answer:
    """Send a request, its body in so many parts; the answer. Raises: AssertionError, if ASGI is not kept to."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode("utf-8")) for name, value in request.headers.items()],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 5000),
    }
    step = -(-len(request.body) // parts) or 1
    waiting = [request.body[at : at + step] for at in range(0, len(request.body), step)] or [b""]
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return _read(sent)


def _read(sent: list[Message]) -> Answer:
    assert [message["type"] for message in sent[:1]] == ["http.response.start"]
    assert all(message["type"] == "http.response.body" for message in sent[1:])
    assert not sent[-1].get("more_body", False)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    assert headers["content-length"] == str(len(body))
    assert headers["x-request-id"]
    return Answer(sent[0]["status"], headers, body)


def check(request: Request, answer: Answer) -> None:
    """Raises: AssertionError, if the answer is not what the contract lets it be."""
    assert answer.status < 500
    kind = answer.headers["content-type"]
    if answer.status != 200:
        told = json.loads(answer.body)
        if request.path.startswith("/v2"):
            assert (kind, list(told)) == ("application/json", ["error"])
        else:
            assert kind == "application/problem+json"
            assert set(told) - {"errors"} == _PROBLEM
            assert told["status"] == answer.status
            assert "Traceback" not in told["detail"]
    elif kind == "application/json" and "content-encoding" not in answer.headers:
        told = json.loads(answer.body, parse_constant=_no_number)
        for row in told.get("probabilities", ()):
            assert abs(sum(row) - 1) < 1e-3
            assert min(row) >= 0


def _no_number(text: str) -> Any:
    raise AssertionError(f"{text} is not JSON")


def agree(answers: Iterable[Answer]) -> None:
    """Raises: AssertionError, unless JSON answers about the same rows have the same probabilities."""
    told = [json.loads(each.body)["probabilities"] for each in answers]
    for each in told[1:]:
        np.testing.assert_allclose(each, told[0], atol=1e-6)
