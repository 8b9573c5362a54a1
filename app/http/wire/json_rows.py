"""JSON rows: `{"instances": [[…]] or [{…}], "top_k": null, "explain": false}`, by a SIMD parser.

Rows of nothing but numbers go from the parser to one array without becoming Python objects; anything else
(objects, strings, nulls, mistakes) goes through `cells`. A key given twice is refused, at any depth.
"""

from collections.abc import Iterator

from app.http.wire import cells
from app.http.wire.json_document import (
    JSONArray,
    JSONObject,
    List,
    Parser,
    describe,
    flat,
    has_brackets,
    parse,
    twice,
)
from app.http.wire.problems import Problems, check_rows, listed, printable, shown, wrong
from app.http.wire.request import Request
from core.arrays import Array
from core.encoding import Encoding, RawColumns

FIELDS = ("instances", "top_k", "explain")
PLACE = "instances[{}]"
_OBJECT, _LIST = (JSONObject, dict), (JSONArray, list)
_ROWS_ALONE = ["instances"]


def read(body: bytes, encoding: Encoding, *, max_rows: int, parser: Parser | None = None) -> Request:
    """The rows of a JSON body.

    A `parser` that the caller keeps saves large bodies some page faults. JSON has no infinity to refuse.

    Raises `Unreadable` (not JSON), `Invalid` (JSON, but not rows of this model) or `TooLarge`.
    """
    document = parse(body, parser)
    if not isinstance(document, _OBJECT):
        raise wrong(f"expected an object with 'instances', got {describe(document)}")
    top_k, explain = (None, False) if list(document) == _ROWS_ALONE else _options(document)
    instances = document["instances"]
    if not isinstance(instances, _LIST):
        raise wrong(
            f"expected 'instances' to be a list of rows, got {describe(instances)}", location="instances"
        )
    count = len(instances)
    if count > max_rows:
        check_rows(count, max_rows)
    return Request(_rows(instances, count, body, encoding), top_k, explain)


# the body


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
        raise twice(fields)
    if "instances" not in fields:
        raise wrong("the body has no 'instances', the list of rows", location="instances")
    top_k, explain = document.get("top_k"), document.get("explain", False)
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise wrong(
            f"expected 'top_k' to be null or a whole number from 1, got {describe(top_k)}", location="top_k"
        )
    if type(explain) is not bool:
        raise wrong(f"expected 'explain' to be true or false, got {describe(explain)}", location="explain")
    return top_k, explain


# the rows


def _rows(instances: List, count: int, body: bytes, encoding: Encoding) -> Array | RawColumns:
    """(m, inputs) float64 if the rows are lists of numbers and nothing else, all of that length; else with care.

    A body with one opening bracket for each row and one for `instances` has no room for a list within a row.
    """
    inputs = encoding.inputs
    if inputs is None:
        return cells.columns(_python(instances), encoding, Problems(PLACE))
    numbers = flat(instances, inputs) if isinstance(instances, JSONArray) else None
    if numbers is None or not has_brackets(body, count + 1):
        return cells.matrix(_python(instances), count, encoding, Problems(PLACE))
    return numbers.reshape(-1, inputs)


def _python(instances: List) -> Iterator[object]:
    """The rows as Python values, one at a time."""
    for number, row in enumerate(instances):
        if isinstance(row, JSONObject):
            yield _dict(row, PLACE.format(number))
        else:
            yield row.as_list() if isinstance(row, JSONArray) else row


def _dict(row: JSONObject, place: str) -> dict[str, object]:
    result: dict[str, object] = row.as_dict()  # type: ignore[assignment]
    if len(result) != len(row):
        raise twice(list(row), place)
    return result
