"""JSON rows: `{"instances": [[…]] or [{…}], "top_k": null, "explain": false}`, by a SIMD parser.

Rows of nothing but numbers go from the parser to one array without becoming Python objects; anything else
(objects, strings, nulls, mistakes) goes through `cells`. A key given twice is refused, at any depth.
"""

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import orjson
from simdjson import Array as JSONArray
from simdjson import Object as JSONObject
from simdjson import Parser

from app.errors import Invalid, Unreadable
from app.http.wire import cells
from app.http.wire.problems import Problems, check_rows, described, listed, printable, shown, wrong
from app.http.wire.request import Request
from core.arrays import Array
from core.encoding import Encoding, transform, transform_matrix

FIELDS = ("instances", "top_k", "explain")
PLACE = "instances[{}]"
LONG_ROW = 400
REUSED_BYTES = 16 * 1024 * 1024
BOM = b"\xef\xbb\xbf"


def read(body: bytes, encoding: Encoding, *, max_rows: int, parser: Parser | None = None) -> Request:
    """The rows of a JSON body, encoded.

    A `parser` that the caller keeps saves large bodies some page faults. JSON has no infinity to refuse.

    Raises `Unreadable` (not JSON), `Invalid` (JSON, but not rows of this model) or `TooLarge`.
    """
    document = _parse(body, parser)
    if not isinstance(document, JSONObject | dict):
        raise wrong(f"expected an object with 'instances', got {_described(document)}")
    top_k, explain = (None, False) if list(document) == ["instances"] else _options(document)
    instances = document["instances"]
    if not isinstance(instances, JSONArray | list):
        raise wrong(
            f"expected 'instances' to be a list of rows, got {_described(instances)}", location="instances"
        )
    check_rows(len(instances), max_rows)
    return Request(features=_features(instances, body, encoding), top_k=top_k, explain=explain)


# the body


def _parse(body: bytes, parser: Parser | None) -> object:
    """The document, lazy if the quick parser takes it; what a strict parser declines is read again."""
    try:
        return (parser if parser and len(body) <= REUSED_BYTES else Parser()).parse(body)
    except RuntimeError:  # busy, too deep, or an integer beyond 64 bits
        return _parse(body, None) if parser else _parse_slowly(body)
    except ValueError:
        return _parse_slowly(body)


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
        raise _twice([key for key, _ in pairs])
    return result


def _options(document: JSONObject | dict[str, object]) -> tuple[int | None, bool]:
    """`top_k` and `explain`, once the body's fields are known to be ours, each given once."""
    fields = list(document)
    for field in fields:
        if field not in FIELDS:
            raise wrong(
                f"unknown field {shown(field)}; a prediction takes {listed(FIELDS)}",
                location=printable(field),
            )
    if len(set(fields)) != len(fields):
        raise _twice(fields)
    if "instances" not in fields:
        raise wrong("the body has no 'instances', the list of rows", location="instances")
    top_k, explain = document.get("top_k"), document.get("explain", False)
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise wrong(
            f"expected 'top_k' to be null or a whole number from 1, got {_described(top_k)}", location="top_k"
        )
    if type(explain) is not bool:
        raise wrong(f"expected 'explain' to be true or false, got {_described(explain)}", location="explain")
    return top_k, explain


def _twice(keys: list[str], place: str = "the body") -> Invalid:
    key = Counter(keys).most_common(1)[0][0]
    return wrong(f"{shown(key)} is given twice in {place}", location=place)


def _described(value: object) -> str:
    return "a list" if isinstance(value, JSONArray) else described(value)


# the rows


def _features(instances: JSONArray | list[object], body: bytes, encoding: Encoding) -> Array:
    count, inputs = len(instances), encoding.inputs
    if inputs is None:
        return transform(encoding, cells.columns(_python(instances), encoding, Problems(PLACE)))
    matrix = _flat(instances, body, inputs)
    if matrix is None:
        matrix = cells.matrix(_python(instances), count, encoding, Problems(PLACE))
    return transform_matrix(encoding, matrix)


def _flat(instances: JSONArray | list[object], body: bytes, inputs: int) -> Array | None:
    """(m, inputs) float64 if the rows are lists of numbers and nothing else, all of that length; or None.

    `as_buffer` flattens whatever it meets, so equal lengths are not enough: `[[1, [2]], [3, 4]]` has them. A
    body with one opening bracket for each row and one for `instances` has no room for a list within a row.
    """
    if not isinstance(instances, JSONArray):
        return None
    rows = len(instances)
    try:
        if set(map(len, instances)) != {inputs}:  # type: ignore[arg-type]
            return None
        flat = np.frombuffer(instances.as_buffer(of_type="d"))
    except TypeError:  # not lists, or not numbers
        return None
    if flat.size != rows * inputs or _brackets(body, rows) != rows + 1:
        return None
    return flat.reshape(rows, inputs)


def _brackets(body: bytes, rows: int) -> int:
    """How many `[` are in the body: leaping from one to the next is quickest where they are far apart."""
    if len(body) < LONG_ROW * rows:
        return body.count(b"[")
    found, at = 0, body.find(b"[")
    while at >= 0 and found <= rows + 1:
        found, at = found + 1, body.find(b"[", at + 1)
    return found


def _python(instances: JSONArray | list[object]) -> Iterator[object]:
    """The rows as Python values, one at a time."""
    for number, row in enumerate(instances):
        if isinstance(row, JSONObject):
            yield _dict(row, PLACE.format(number))
        else:
            yield row.as_list() if isinstance(row, JSONArray) else row


def _dict(row: JSONObject, place: str) -> dict[str, object]:
    result: dict[str, object] = row.as_dict()  # type: ignore[assignment]
    if len(result) != len(row):
        raise _twice(list(row), place)
    return result
