"""The one table from errors to HTTP statuses, and the bodies that tell of them."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from app import errors
from app.http.wire.problems import MOST

log = logging.getLogger("neurona.http")

_Record = TypeVar("_Record", bound=BaseModel)

_TYPE = re.compile(r"constrained-\w+|(literal|dict|list)\[.*\]")

ENDLESS = "/events"  # a job's, whose answer goes on as long as the job, and has no HEAD
_MANY = 10_000  # mistakes; to list a million takes half a minute, in which nothing else runs

_OBJECT = re.compile(r"a valid dictionary( or instance of \w+)?")

STATUS: Mapping[type[errors.NeuronaError], int] = {
    errors.NeuronaError: 500,
    errors.Unreadable: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.TooSlow: 408,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
    errors.Invalid: 422,
    errors.Busy: 429,
    errors.TrainingFailed: 500,
    errors.Unavailable: 503,
}
# As RFC 9110 (section 15) names them; Python does so from 3.13 on, and a code is the same on all.
_TITLES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}


def status_of(error: errors.NeuronaError) -> int:
    """The status of an error: that of its nearest ancestor in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def protocol_status(status: int) -> int:
    """The status under /v2, where whatever is wrong with a request is 400 (Open Inference Protocol)."""
    return 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status


def respond(request: Request, error: errors.NeuronaError) -> Response:
    """An error of the house as the answer to a request."""
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, errors.Busy) else {}
    if isinstance(error, errors.Unauthorized):
        headers = {"WWW-Authenticate": "Bearer"}
    found = error.problems if isinstance(error, errors.Invalid) else ()
    return _answer(request, status_of(error), str(error), code=error.code, found=found, headers=headers)


def install(app: FastAPI) -> None:
    """Make every error of the app answer in the contract's form."""
    app.add_exception_handler(errors.NeuronaError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.NeuronaError)
    if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        named = {"request_id": request.scope.get("request_id")}
        log.warning("%s %s: %s", request.method, request.url.path, error, extra=named)
    return respond(request, error)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return respond(request, invalid(error.errors()))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, detail = error.status_code, error.detail
    if detail == HTTPStatus(status).phrase:  # the framework's, for want of a detail
        detail = _title(status)
    if status == HTTPStatus.NOT_FOUND and detail == _title(status):
        detail = f"There is nothing at {request.url.path}; GET /docs shows what there is."
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = _methods(request)
        detail = f"{request.method} is not a method of {request.url.path}; it takes {allowed}."
        error.headers = {**(error.headers or {}), "Allow": allowed}
    return _answer(request, status, detail, code=_code(status), headers=error.headers or {})


def _title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


def _code(status: int) -> str:
    return _title(status).lower().replace(" ", "_").replace("-", "_")


class Told(NamedTuple):
    """An error as it is answered."""

    status: int
    media_type: str
    body: bytes


def told(path: str, status: int, detail: str, *, request_id: str, code: str = "", **more: Any) -> Told:
    """An error at a path, in the form that belongs there. `code`: else that of the status."""
    if path.startswith("/v2"):
        return Told(protocol_status(status), "application/json", orjson.dumps({"error": detail}))
    title, code = _title(status), code or _code(status)
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, **more}
    return Told(status, "application/problem+json", orjson.dumps({**body, "request_id": request_id}))


def _methods(request: Request) -> str:
    """All methods of a path; the framework names those of the first route that has it."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= set(route.methods or ())
    if "GET" in found and not request.url.path.endswith(ENDLESS):
        found.add("HEAD")
    return ", ".join(sorted(found))


async def _on_bug(request: Request, error: Exception) -> Response:  # noqa: ARG001 - uvicorn logs it, traceback and all
    return unexpected(request)


def unexpected(request: Request) -> Response:
    """The answer where a bug showed itself: its id, and nothing of its insides."""
    detail = "An unexpected error happened; the server's log has it under this request id."
    return _answer(request, 500, detail, code="internal_error")


def checked(kind: type[_Record], value: object) -> _Record:
    """The value as a record of that kind. Raises: Invalid."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        count = error.error_count()
        if count > _MANY:
            message = f"{count:,} fields are wrong; the API's description has them under {kind.__name__}"
            raise errors.Invalid(errors.Problem(location="body", message=message)) from None
        raise invalid(error.errors()) from error


def invalid(found: Iterable[Any]) -> errors.Invalid:
    """What pydantic found wrong, as the house says it: one problem for each field, of the first twenty."""
    by_field: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for each in found:
        by_field.setdefault(_field(each["loc"]), []).append(each)
    # of a field that may be one thing or another, what is wrong within one of them says more
    outer = {place[:depth] for place in by_field for depth in range(len(place))}
    places = [place for place in by_field if place not in outer][:MOST]
    return errors.Invalid(
        *(
            errors.Problem(location=".".join(place) or "body", message=_sentence(place, by_field[place]))
            for place in places
        )
    )


def _field(loc: Iterable[int | str]) -> tuple[str, ...]:
    """A place without the body that it is in, and without pydantic's names of the types that a field may have."""
    return tuple(part for part in map(str, loc) if part != "body" and not _TYPE.fullmatch(part))


def _sentence(place: Sequence[str], found: Sequence[Mapping[str, Any]]) -> str:
    name = ".".join(part for part in place if part not in ("query", "path"))
    first = found[0]
    if first["type"] == "extra_forbidden":
        return f"{name}: there is no such field"
    texts = [str(each["msg"]).removeprefix("Value error, ") for each in found]
    message = ", or ".join(text[:1].lower() + text[1:] for text in dict.fromkeys(texts))
    message, sent = _OBJECT.sub("an object", message), first.get("input")
    written = orjson.dumps(sent).decode() if sent is None or isinstance(sent, bool) else repr(sent)
    shown = "" if isinstance(sent, dict | list) or first["type"] == "missing" else f", not {written:.80}"
    return f"{name}: {message}{shown}" if name else f"{message}{shown}"


def _answer(
    request: Request,
    status: int,
    detail: str,
    *,
    code: str,
    found: tuple[errors.Problem, ...] = (),
    headers: Mapping[str, str] = {},
) -> Response:
    more = {"errors": [asdict(problem) for problem in found]} if found else {}
    request_id = request.scope.get("request_id", "")
    answer = told(request.url.path, status, detail, request_id=request_id, code=code, **more)
    return Response(answer.body, answer.status, dict(headers), answer.media_type)
