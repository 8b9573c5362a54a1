"""The JSON elements of a tensor as one flat list of Python values, each checked: the thorough way."""

from collections.abc import Sequence

from app.http.oip.tensor import Tensor, shape_text
from app.http.wire.json_document import JSONArray, describe
from app.http.wire.problems import wrong


def elements(tensor: Tensor) -> list[object]:
    """As many values as the shape asks for, each what the datatype may be in JSON; None is missing.

    `data` is flat, or for a shape of two dimensions a list of rows. Raises: Invalid, naming the place.
    """
    data = tensor.data
    values: list[object] = list(data.as_list() if isinstance(data, JSONArray) else data or ())
    if tensor.nested and len(tensor.shape) == 2:
        values = _flattened(tensor, values)
    if len(values) != tensor.size:
        shape = shape_text(tensor.shape)
        raise wrong(
            f"{tensor.place}: its shape {shape} asks for {tensor.size} elements, and 'data' has {len(values)}"
        )
    if not set(map(type, values)) <= tensor.datatype.plain:
        raise _refused(tensor, values)
    return values


def _flattened(tensor: Tensor, rows: Sequence[object]) -> list[object]:
    count, width = tensor.shape
    if len(rows) != count:
        raise wrong(f"{tensor.place}: expected {count} rows in 'data', got {len(rows)}")
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


def _refused(tensor: Tensor, values: Sequence[object]) -> Exception:
    plain = tensor.datatype.plain
    at = next(at for at, value in enumerate(values) if type(value) not in plain)
    expected = {bool: "true or false", str: "a string"}
    one = next((text for kind, text in expected.items() if kind in plain), None)
    one = one or ("a whole number" if tensor.datatype.whole else "a number")
    return wrong(
        f"{tensor.place}: element {at}: expected {one} ({tensor.datatype.name}), got {describe(values[at])}"
    )
