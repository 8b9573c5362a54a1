"""The headers that tell a browser to take an answer for what it is, and nothing more."""

from collections.abc import Iterable
from typing import TypeAlias

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]

# A page of ours loads what this server has and nothing else, runs no script that stands in its text, and is shown in
# no frame. Swagger UI draws its icons from data: addresses.
PAGE = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}
NOSNIFF = (b"x-content-type-options", b"nosniff")
_EVERYWHERE = [NOSNIFF, (b"referrer-policy", b"no-referrer")]
_NO_PAGE = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]


def hardened(headers: Iterable[tuple[bytes, bytes]], request_id: bytes) -> RawHeaders:
    """The headers of an answer that the framework gave, with its id and what makes it harmless.

    What is no page may hold a caller's data: it is not kept in caches, and does nothing if a browser shows it.
    """
    named = [pair for pair in headers if pair[0].lower() != b"x-request-id"]
    said = {name.lower() for name, _ in named}
    named += [pair for pair in (*_EVERYWHERE, *_NO_PAGE) if pair[0] not in said]
    return [*named, (b"x-request-id", request_id)]
