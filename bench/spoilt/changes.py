"""How good requests are spoilt: bits, bytes, tokens, types, headers; a little, so that most of each stays good."""

import json
import random
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from spoilt.good import Request

Change: TypeAlias = Callable[[random.Random, bytes, Sequence[Request]], bytes]

_TOKENS = [
    *(
        b"1e999",
        b"-1e999",
        b"1e-400",
        b"NaN",
        b"Infinity",
        b"-0",
        b"0x10",
        b"1_000",
        b"9" * 400,
        b"1" * 20,
        b"-",
    ),
    *(
        b"null",
        b"true",
        b'""',
        b'"\\ud800"',
        b'"\\u0000"',
        b"{}",
        b"[]",
        b"[" * 2000,
        b'{"a":' * 300,
        b"]" * 50,
    ),
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\r\n",
        b",",
        b'"',
        b"\\",
        b"'",
        b"/*",
        b"--",
        b"\n\n",
    ),
    *(
        b'"instances":',
        b'"inputs":[]',
        b'"binary_data_size":1e3',
        b'"shape":[-1]',
        b"BF16",
        b"18446744073709551616",
    ),
    *(
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\x00\x00\x00\x80",
        b"(9223372036854775807, 4)",
        b"|O8",
        b"<c16",
    ),
]
_VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e308,
        -1e308,
        5e-324,
        10**18,
        2**63,
        2**64,
        10**400,
        "",
        "x",
        "1",
        "\0",
        "é" * 300,
    ),
    *(
        [],
        {},
        [[]],
        [None],
        [[[[[[1]]]]]],
        {"a": {"b": []}},
        ["a", 1, None],
        [1e38] * 5,
        {"name": "features"},
    ),
]
_KINDS = (
    *("application/json", "application/x-npy", "text/csv", "application/vnd.apache.arrow.stream", "", "*/*"),
    *(
        "application/json; charset=utf-16",
        "TEXT/CSV;header=absent",
        "application/octet-stream",
        "multipart/form-data",
    ),
    *("application/x-npz", "text/csv\x80", ";", "application/problem+json", "a/b" * 400),
)
_ENCODINGS = (
    "gzip",
    "deflate",
    "identity",
    "br",
    "gzip, gzip",
    "",
    "GZIP",
    "x-gzip",
    "zstd",
    "\xff",
    "chunked",
)
_LENGTHS = ("0", "1", "-1", "99999999999999999999", "1e3", " 4", "4 ", "٤", "", "0x10", "100", "2147483648")
_ACCEPTED = (
    *_KINDS,
    "application/json;q=0",
    "*/*;q=0.1, text/html",
    "application/x-npy;q=9e9",
    ",,,",
    "q=;" * 200,
)
_HEADERS = {
    "content-type": _KINDS,
    "content-encoding": _ENCODINGS,
    "accept": _ACCEPTED,
    "accept-encoding": ("gzip", "deflate;q=0.5, gzip;q=0", "*", "identity;q=0", "br", "gzip;q=x", ""),
    "inference-header-content-length": _LENGTHS,
    "x-request-id": ("a", "", "\x80", "x" * 500),
    "authorization": ("Bearer x", "Basic", "\xff"),
}
_PATHS = (
    "@1",
    "@2",
    "@production",
    "@",
    "@@",
    "@999999999999999999",
    "%",
    "\n",
    "x" * 200,
    "é",
    " ",
    "@٣",
    "/versions/1",
)
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def spoil(rng: random.Random, good: Sequence[Request]) -> Request:
    """One of the requests, with one to four things changed in it."""
    request = rng.choice(good)
    body, headers, path = request.body, dict(request.headers), request.path
    packing = headers.get("content-encoding") if rng.random() < 0.7 else None
    body = body if packing is None else zlib.decompress(body, _WINDOWS[packing])
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        what = rng.random()
        if what < 0.8:
            body = rng.choice(_CHANGES)(rng, body, good)
        elif what < 0.97:
            _spoil_headers(rng, headers, body)
        else:
            path = _spoilt_path(rng, path)
    body = body if packing is None else zlib.compress(body, 1, _WINDOWS[packing])
    return Request(format=request.format, path=path, body=body, headers=headers)


def _spoil_headers(rng: random.Random, headers: dict[str, str], body: bytes) -> None:
    if headers and rng.random() < 0.2:
        del headers[rng.choice(list(headers))]
        return
    name = rng.choice(list(_HEADERS))
    headers[name] = rng.choice(_HEADERS[name])
    if name == "inference-header-content-length" and rng.random() < 0.5:
        headers[name] = str(rng.randrange(len(body) + 2))


def _spoilt_path(rng: random.Random, path: str) -> str:
    head, _, tail = path.rpartition("/")
    return f"{head}{rng.choice(_PATHS)}/{tail}" if rng.random() < 0.8 else path.replace("iris", "nobody")


# bytes


def _flip(rng: random.Random, body: bytes, _: Sequence[Request]) -> bytes:
    if not body:
        return body
    found = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 8))):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _truncate(rng: random.Random, body: bytes, _: Sequence[Request]) -> bytes:
    return (
        body[: rng.randrange(len(body) + 1)] if rng.random() < 0.7 else body[rng.randrange(len(body) + 1) :]
    )


def _cut(rng: random.Random, body: bytes, _: Sequence[Request]) -> bytes:
    start, size = rng.randrange(len(body) + 1), rng.choice((1, 4, 32))
    return body[:start] + body[start + size :]


def _repeat(rng: random.Random, body: bytes, _: Sequence[Request]) -> bytes:
    start, size = rng.randrange(len(body) + 1), rng.choice((1, 8, 64))
    return body[:start] + body[start : start + size] * rng.choice((2, 3, 100)) + body[start:]


def _splice(rng: random.Random, body: bytes, good: Sequence[Request]) -> bytes:
    other = rng.choice(good).body
    return body[: rng.randrange(len(body) + 1)] + other[rng.randrange(len(other) + 1) :]


def _insert(rng: random.Random, body: bytes, _: Sequence[Request]) -> bytes:
    start = rng.randrange(len(body) + 1)
    return body[:start] + rng.choice(_TOKENS) + body[start + rng.choice((0, 0, 1, 4)) :]


def _number(rng: random.Random, body: bytes, good: Sequence[Request]) -> bytes:
    found = list(_NUMBER.finditer(body[:20_000]))
    if not found:
        return _insert(rng, body, good)
    place = rng.choice(found)
    return body[: place.start()] + rng.choice(_TOKENS) + body[place.end() :]


def _bytes(rng: random.Random, _body: bytes, _: Sequence[Request]) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 10, 100, 2000)))


# values


def _value(rng: random.Random, body: bytes, good: Sequence[Request]) -> bytes:
    """Another value, of another type most likely, somewhere in the JSON."""
    try:
        document = json.loads(body)
        holder, key = rng.choice(list(_places(document)))
    except (ValueError, IndexError, RecursionError):
        return _insert(rng, body, good)
    if isinstance(holder, dict) and rng.random() < 0.2:
        holder[rng.choice(("top_k", "explain", "parameters", "id", "outputs", "x", "\0"))] = rng.choice(
            _VALUES
        )
    elif rng.random() < 0.15:
        del holder[key]
    else:
        holder[key] = rng.choice(_VALUES)
    return json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Any:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


_CHANGES: Sequence[Change] = (
    _flip,
    _flip,
    _truncate,
    _cut,
    _repeat,
    _splice,
    _insert,
    _insert,
    _number,
    _value,
    _value,
    _bytes,
)
