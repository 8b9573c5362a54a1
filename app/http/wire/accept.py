"""Which of the types on offer an `Accept` header asks for (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from app.errors import NotAcceptable


class Range(NamedTuple):
    """One media range of the header."""

    kind: str
    quality: float


def choose(accept: str | None, offers: Sequence[str]) -> str:
    """The offer of highest quality; of those, the one named most exactly; of those, the first on offer.

    No header, or an empty one, takes anything. Raises `NotAcceptable` if nothing on offer will do.
    """
    if not accept or accept in ("*/*", offers[0]):
        return offers[0]
    found = ranges(accept)
    if not found:
        return offers[0]
    ranked = [(*_match(offer, found), -place) for place, offer in enumerate(offers)]
    quality, _, place = max(ranked)
    if quality <= 0:
        raise NotAcceptable(got=accept[:200], expected=", ".join(offers))
    return offers[-place]


def ranges(header: str) -> list[Range]:
    """What a header like `Accept` or `Accept-Encoding` lists, with qualities from 0 to 1."""
    return [_range(part) for part in header.lower().split(",") if part.strip()]


def _range(part: str) -> Range:
    """A quality that cannot be read counts as 1, as if it had been left out."""
    kind, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            digits = value.strip()
            return Range(kind, min(1.0, float(digits)) if _is_quality(digits) else 1.0)
    return Range(kind, 1.0)


def _is_quality(digits: str) -> bool:
    return digits.replace(".", "", 1).isdecimal() and digits.isascii()


def _match(offer: str, ranges: Sequence[Range]) -> tuple[float, int]:
    """Quality and exactness of the most exact range that takes the offer; (0, 0) if none does."""
    family = offer.partition("/")[0] + "/*"
    for exactness, kind in ((3, offer), (2, family), (1, "*/*")):
        qualities = [r.quality for r in ranges if r.kind == kind]
        if qualities:
            return max(qualities), exactness
    return 0.0, 0
