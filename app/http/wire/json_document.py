"""A JSON body as a document: by a SIMD parser, whose arrays of numbers never become Python objects.

What the quick parser declines (integers beyond 64 bits) or finds wrong is read again with care, so that the sender
hears where the mistake is. A key given twice is refused by the careful way, and where callers ask.
"""

import json
from collections import Counter
from typing import Literal, TypeAlias

import numpy as np
import orjson
from simdjson import Array as JSONArray
from simdjson import Object as JSONObject
from simdjson import Parser

from app.errors import Invalid, Unreadable
from app.http.wire.problems import described, shown, wrong
from core.arrays import Array

__all__ = [
    "JSONArray",
    "JSONObject",
    "Kind",
    "List",
    "Parser",
    "describe",
    "flat",
    "has_brackets",
    "numbers",
    "parse",
    "twice",
]

List: TypeAlias = JSONArray | list[object]
Kind: TypeAlias = Literal["d", "i", "u"]
REUSED_BYTES = 16 * 1024 * 1024
LONG_ROW = 400
_DTYPES = {"d": np.float64, "i": np.int64, "u": np.uint64}
BOM = b"\xef\xbb\xbf"


def parse(body: bytes, parser: Parser | None) -> object:
    """The document, lazy if the quick parser takes it; what a strict parser declines is read again.

    A `parser` that the caller keeps saves large bodies some page faults. Raises `Unreadable` (not JSON).
    """
    try:
        return (parser if parser and len(body) <= REUSED_BYTES else Parser()).parse(body)
    except RuntimeError:  # busy, too deep, or an integer beyond 64 bits
        return parse(body, None) if parser else _parse_slowly(body)
    except ValueError:
        return _parse_slowly(body)


def twice(keys: list[str], place: str = "the body") -> Invalid:
    """The error for keys of which one is given twice."""
    key = Counter(keys).most_common(1)[0][0]
    return wrong(f"{shown(key)} is given twice in {place}", location=place)


def describe(value: object) -> str:
    """A value of the document in a sentence."""
    return "a list" if isinstance(value, JSONArray) else described(value)


def numbers(array: JSONArray, kind: Kind = "d") -> Array | None:
    """All numbers in the array, however nested, as float64 ("d"), int64 ("i") or uint64 ("u"); or None.

    None where anything else is in it, or a number that such a type cannot hold; a whole number written with a
    point is none for "i" and "u".
    """
    try:
        return np.frombuffer(array.as_buffer(of_type=kind), dtype=_DTYPES[kind])
    except (TypeError, ValueError):
        return None


def flat(rows: JSONArray, width: int, kind: Kind = "d") -> Array | None:
    """The numbers of lists of that length, one after another, as `numbers`; None if the rows are not that.

    Flattening takes whatever it meets, so equal lengths are not enough: `[[1, [2]], [3, 4]]` has them. Count
    the brackets as well.
    """
    try:
        if set(map(len, rows)) != {width}:  # type: ignore[arg-type]
            return None
    except TypeError:  # not lists
        return None
    found = numbers(rows, kind)
    return found if found is not None and found.size == len(rows) * width else None


def has_brackets(body: bytes, count: int) -> bool:
    """Whether exactly so many `[` are in the body: leaping from one to the next is quickest where they are rare."""
    if len(body) < LONG_ROW * count:
        return body.count(b"[") == count
    found, at = 0, body.find(b"[")
    while at >= 0 and found <= count:
        found, at = found + 1, body.find(b"[", at + 1)
    return found == count


def _parse_slowly(body: bytes) -> object:
    """Reads what the quick parser declines (integers beyond 64 bits), or says where the mistake is."""
    text = body.removeprefix(BOM)
    try:
        orjson.loads(text)
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        where = f" at line {error.lineno}, column {error.colno} (character {error.pos})" if error.pos else ""
        raise Unreadable(what="The JSON body", reason=f"{error.msg}{where}") from None
    except RecursionError:
        raise Unreadable(what="The JSON body", reason="it is nested too deeply") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise twice([key for key, _ in pairs])
    return result
