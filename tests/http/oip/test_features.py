"""A model with categories takes one input for each column, each of its kind and all of one length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

numbers = st.floats(-99, 99, width=32) | st.none()
rows = st.lists(
    st.tuples(numbers, st.sampled_from(["red", "green", "ß", "x", ""]), st.sampled_from([True, False, None]),
              st.lists(numbers, min_size=4, max_size=4)),
    max_size=6,
)  # fmt: skip


def text(value) -> str:
    return "" if value is None else str(value).lower()


def packed(texts: list[str]) -> bytes:
    return b"".join(len(t.encode()).to_bytes(4, "little") + t.encode() for t in texts)


def nan(values) -> list:
    return [[np.nan if v is None else v for v in each] if isinstance(each, list) else np.nan if each is None else each
            for each in values]  # fmt: skip


@given(
    table=rows,
    binary=st.tuples(*[st.booleans()] * 4),
    order=st.permutations(["width", "colour", "new", "x"]),
    flat=st.booleans(),
)
def test_columns_in_any_order_and_any_mix_of_json_and_binary_are_answered_as_numpy_does(
    check, sent, table, binary, order, flat
):
    m = len(table)
    width, colour, new, x = (
        (list(column) for column in zip(*table, strict=True)) if table else ([], [], [], [])
    )
    vectors = np.array(nan(x), "<f4").reshape(m, 4)
    one = (m,) if flat else (m, 1)
    inputs = {
        "width": ("FP32", one, width, np.array(nan(width), "<f4").tobytes()),
        "colour": ("BYTES", one, colour, packed(colour)),
        "new": ("BYTES", one, [None if v is None else text(v) for v in new], packed([text(v) for v in new])),
        "x": ("FP32", (m, 4), x, vectors.tobytes()),
    }
    request = sent()
    for name, as_binary in zip(order, binary, strict=True):
        datatype, shape, plain, blob = inputs[name]
        request.add(name, datatype, shape, blob if as_binary else plain)
    values = {"width": nan(width), "colour": colour, "new": [text(v) for v in new], "x": vectors}
    check("mixed", request, values)


@given(flags=st.lists(st.booleans(), min_size=1, max_size=5), null=st.booleans(), binary=st.booleans())
def test_a_boolean_column_takes_bool_as_well_as_bytes(check, sent, flags, null, binary):
    m = len(flags)
    if null and not binary:
        flags = [None, *flags[1:]]
    data = np.array(flags, "?").tobytes() if binary else flags
    request = (
        sent()
        .add("width", "FP32", (m,), [0] * m)
        .add("colour", "BYTES", (m,), ["red"] * m)
        .add("new", "BOOL", (m,), data)
        .add("x", "UINT8", (m, 4), [0] * 4 * m)
    )
    values = {"width": [0] * m, "colour": ["red"] * m, "new": [text(v) for v in flags], "x": np.zeros((m, 4))}
    check("mixed", request, values)


@pytest.mark.parametrize(
    ("name", "datatype", "shape", "data", "message"),
    [
        (
            "width",
            "BYTES",
            (1,),
            ["3"],
            "input 'width': expected numbers (FP32, or another numeric type), got BYTES",
        ),
        ("width", "FP32", (1, 2), [1, 2], "input 'width': expected shape [-1, 1], got [1, 2]"),
        ("width", "FP32", (2,), [1, 2], "input 'colour' has 1 rows, and input 'width' has 2"),
        (
            "colour",
            "INT32",
            (1,),
            [3],
            "input 'colour': expected BYTES, since this column has categories; got INT32",
        ),
        (
            "colour",
            "BOOL",
            (1,),
            [True],
            "input 'colour': expected BYTES, since this column has categories; got BOOL",
        ),
        ("new", "INT8", (1,), [1], "input 'new': expected BOOL or BYTES; got INT8"),
        ("colour", "BYTES", (2,), ["a", "b"], "input 'colour' has 2 rows, and input 'width' has 1"),
        (
            "new",
            "BYTES",
            (1,),
            ["yes"],
            "input 'new': element 0: expected 'true' or 'false', got the string 'yes'",
        ),
        ("x", "FP32", (1,), [1], "input 'x': expected shape [-1, 4], got [1]"),
        ("x", "FP32", (4, 1), [1] * 4, "input 'x': expected shape [-1, 4], got [4, 1]"),
        (
            "x",
            "FP32",
            (1, 4),
            [[1, 2, None, "4"]],
            "input 'x': element 3: expected a number (FP32), got the string '4'",
        ),
    ],
)
def test_an_input_that_does_not_fit_its_column_is_refused(
    refused, sent, name, datatype, shape, data, message
):
    good = {
        "width": ("FP32", (1,), [1]),
        "colour": ("BYTES", (1,), ["red"]),
        "new": ("BYTES", (1,), ["true"]),
        "x": ("FP32", (1, 4), [1, 2, 3, 4]),
    }
    request = sent()
    for each, tensor in {**good, name: (datatype, shape, data)}.items():
        request.add(each, *tensor)
    assert refused("mixed", request) == message


def test_a_missing_input_is_named_with_all_there_are(refused, sent):
    request = sent().add("width", "FP32", (1,), [1]).add("x", "FP32", (1, 4), [1, 2, 3, 4])
    text = refused("mixed", request)
    assert text == "input 'colour' is missing; the model takes 'width', 'colour', 'new', 'x'"


def test_an_infinity_in_a_column_is_refused_by_row(refused, sent):
    request = (
        sent()
        .add("width", "FP32", (2,), np.array([1, np.inf], "<f4").tobytes())
        .add("colour", "BYTES", (2,), ["red"] * 2)
        .add("new", "BYTES", (2,), ["true"] * 2)
        .add("x", "FP32", (2, 4), [1] * 8)
    )
    assert refused("mixed", request) == "row 1, column 'width': expected a finite number, got inf"
