"""Which web pages of other places may call this server from a browser: none, unless `cors_origins` names them."""

import re

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from app.errors import Invalid, Problem

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?")
_ANY = "*"
_TAKEN = (
    *("Authorization", "Content-Encoding", "Idempotency-Key", "Inference-Header-Content-Length"),
    *("Last-Event-ID", "X-Request-ID", "traceparent", "tracestate"),
)
_SHOWN = ("X-Request-ID", "Location", "Retry-After", "Inference-Header-Content-Length")


def origins(text: str | None) -> tuple[str, ...]:
    """The origins of a setting, written with commas; `*` is every page. Raises: Invalid."""
    found = tuple(each.strip().lower() for each in (text or "").split(",") if each.strip())
    for each in found:
        if each != _ANY and not _ORIGIN.fullmatch(each):
            message = (
                f"{each!r} is no origin, which is written https://example.org or http://localhost:3000, or *"
            )
            raise Invalid(Problem(message=message, location="NEURONA_CORS_ORIGINS"))
    return found


def trusted(text: str | None) -> frozenset[bytes]:
    """The origins that were named one by one, whose pages are as welcome as this server's own."""
    return frozenset(each.encode() for each in origins(text) if each != _ANY)


def shared(app: ASGIApp, named: tuple[str, ...]) -> ASGIApp:
    """The app behind what browsers ask before they let a page call it; the app itself where no origin is named.

    Stands in front of keys: a browser sends none when it asks. No cookie is ever taken, so none is allowed.
    """
    if not named:
        return app
    return CORSMiddleware(
        app,
        allow_origins=named,
        allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
        allow_headers=_TAKEN,
        allow_private_network=True,
        expose_headers=_SHOWN,
    )
