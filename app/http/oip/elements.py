"""The JSON elements of a tensor as one flat list of Python values, each checked: the thorough way."""

from collections.abc import Sequence

from app.errors import Invalid
from app.http.oip.tensor import Tensor, shape_text
from app.http.wire.json_document import JSONArray, describe
from app.http.wire.problems import wrong

_UNCOUNTED = 0xFFFFFF  # the quick parser counts no further


def elements(tensor: Tensor) -> list[object]:
    """As many values as the shape asks for, each what the datatype may be in JSON; None is missing.

    `data` is flat, or for a shape of two dimensions a list of rows. Raises: Invalid, naming the place.
    """
    data = tensor.data
    assert data is not None, "there is binary data instead"
    in_rows = tensor.nested and len(tensor.shape) == 2
    _check_count(tensor, len(data), in_rows)
    values: list[object] = list(data.as_list() if isinstance(data, JSONArray) else data)
    values = _flattened(tensor, values) if in_rows else values
    _check_count(tensor, len(values), False)
    if not set(map(type, values)) <= tensor.datatype.plain:
        raise _refused(tensor, values)
    return values


def _check_count(tensor: Tensor, count: int, in_rows: bool) -> None:
    wanted = tensor.shape[0] if in_rows else tensor.size
    if count in (wanted, _UNCOUNTED):
        return
    if in_rows:
        raise wrong(f"{tensor.place}: expected {wanted} rows in 'data', got {count}")
    shape = shape_text(tensor.shape)
    raise wrong(f"{tensor.place}: its shape {shape} asks for {wanted} elements, and 'data' has {count}")


def _flattened(tensor: Tensor, rows: Sequence[object]) -> list[object]:
    width = tensor.shape[1]
    flat: list[object] = []
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            raise wrong(
                f"{tensor.place}: row {number}: expected a list of {width} values, got {describe(row)}"
            )
        if len(row) != width:
            raise wrong(f"{tensor.place}: row {number}: expected {width} values, got {len(row)}")
        flat += row
    return flat


def _refused(tensor: Tensor, values: Sequence[object]) -> Invalid:
    plain, name = tensor.datatype.plain, tensor.datatype.name
    at = next(at for at, value in enumerate(values) if type(value) not in plain)
    texts = {bool: "true or false", str: "a string", float: "a number", int: "a whole number"}
    expected = next(text for kind, text in texts.items() if kind in plain)
    return wrong(f"{tensor.place}: element {at}: expected {expected} ({name}), got {describe(values[at])}")
