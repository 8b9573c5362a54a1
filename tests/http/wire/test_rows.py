"""The same rows are the same features in every format, and no bytes at all do more harm than a clear refusal."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import NeuronaError, UnsupportedType
from core.encoding import Codes, transform

ARROW = "application/vnd.apache.arrow.stream"
NPY = "application/x-npy"
FORMATS = ["application/json", NPY, ARROW, "text/csv"]
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1).map(float)
cells = st.none() | numbers
words = st.none() | st.sampled_from(["red", "green", "blue", "a,b", '"', "é\n", "null"])
truths = st.none() | st.booleans()


def as_float(cells):
    return np.array([math.nan if cell is None else cell for cell in cells], dtype=np.float64)


def as_codes(words):
    known = sorted({word for word in words if word is not None})
    return Codes(
        np.array([-1 if word is None else known.index(word) for word in words], np.int32), tuple(known)
    )


@given(rows=st.lists(st.tuples(cells, cells), max_size=8), data=st.data())
def test_numeric_rows_have_the_same_features_in_every_format(
    numeric, read, instances, npy, arrow, csv_text, rows, data
):
    a, b = [row[0] for row in rows], [row[1] for row in rows]
    matrix = np.column_stack([as_float(a), as_float(b)])
    objects = [dict(data.draw(st.permutations([("a", x), ("b", y)]))) for x, y in rows]
    numbers = {name: pa.array(values, pa.float64()) for name, values in (("b", b), ("a", a))}
    text = csv_text(["b", "a"], [["" if cell is None else repr(cell) for cell in (y, x)] for x, y in rows])
    bodies = [
        (instances([list(row) for row in rows]), "application/json"),
        (instances(objects), "application/json; charset=utf-8"),
        (npy(matrix), NPY),
        (npy(np.asfortranarray(matrix)), NPY),
        (npy(matrix.astype(">f8")), NPY),
        (arrow(numbers), ARROW),
        (text, "text/csv"),
    ]
    expected = transform(numeric, {"a": as_float(a), "b": as_float(b)})
    for body, media_type in bodies:
        np.testing.assert_array_equal(read(numeric, body, media_type).features, expected, strict=True)


@given(rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8))
def test_vectors_have_the_same_features_in_every_format(vector, read, instances, npy, arrow, rows):
    matrix = np.array([as_float(row) for row in rows]).reshape(-1, 3)
    fixed = pa.array(rows, pa.list_(pa.float64(), 3))
    expected = transform(vector, {"x": matrix})
    for body, media_type in (
        (instances(rows), "application/json"),
        (instances([{"x": row} for row in rows]), "application/json"),
        (npy(matrix), NPY),
        (arrow({"any": fixed}), ARROW),
        (arrow({"x": pa.array(rows, pa.list_(pa.float64()))}), ARROW),
    ):
        np.testing.assert_array_equal(read(vector, body, media_type).features, expected, strict=True)


@given(rows=st.lists(st.tuples(cells, words, truths), max_size=8), plain=st.booleans())
def test_mixed_rows_have_the_same_features_in_every_format(
    table, read, instances, arrow, csv_text, rows, plain
):
    size, colour, new = ([row[j] for row in rows] for j in range(3))
    as_text = [None if flag is None else str(flag).lower() for flag in new]
    strings = pa.array(colour, pa.string())
    columns = {
        "new": pa.array(new, pa.bool_()) if plain else pa.array(as_text, pa.string()),
        "colour": strings if plain else strings.dictionary_encode(),
        "size": pa.array(size, pa.float64()),
    }
    objects = [{"new": t, "size": s, "colour": c} for s, c, t in zip(size, colour, as_text, strict=True)]
    cells = [[("" if cell is None else cell) for cell in (c, s, t)] for s, c, t in rows]
    expected = transform(
        table, {"size": as_float(size), "colour": as_codes(colour), "new": as_codes(as_text)}
    )
    for body, media_type in (
        (instances([list(row) for row in rows]), "application/json"),
        (instances(objects), "application/json"),
        (arrow(columns), ARROW),
        (csv_text(["colour", "size", "new"], cells), "text/csv"),
    ):
        np.testing.assert_array_equal(read(table, body, media_type).features, expected, strict=True)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abxz"), inner, max_size=4),
    max_leaves=12,
)
bodies = st.fixed_dictionaries(
    {"instances": junk | st.lists(st.lists(junk, max_size=3))}, optional={"top_k": junk}
)


@settings(max_examples=300)
@given(body=junk | bodies)
def test_whatever_json_comes_is_read_or_refused(numeric, vector, mixed, read, body):
    for model in (numeric, vector, mixed):
        request = refusable(read, model, json.dumps(body).encode(), "application/json")
        if request is not None:
            assert request.features.shape == (len(body["instances"]), model.width)
            assert np.isfinite(request.features).all()


def refusable(read, model, body, kind):
    """The request, or None if it is refused as things are refused here; anything else that is raised stays raised."""
    try:
        return read(model, body, kind)
    except NeuronaError:
        return None


@settings(max_examples=300)
@given(data=st.data(), kind=st.sampled_from(FORMATS))
def test_whatever_bytes_come_are_read_or_refused(
    numeric, vector, mixed, read, instances, npy, arrow, csv_text, data, kind
):
    whole = {
        "application/json": instances([[1.5, 2], [3, None]]),
        NPY: npy(np.ones((2, 2))),
        ARROW: arrow({"a": [1.0, None], "b": pa.array([[1.0, 2.0]] * 2), "c": ["x", "y"]}),
        "text/csv": csv_text(["a", "b"], [[1, 2], [3, ""]]),
    }[kind]
    body = data.draw(st.binary(max_size=40) | st.just(whole[: data.draw(st.integers(0, len(whole)))]))
    flipped = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        flipped[at] = data.draw(st.integers(0, 255))
    for model in (numeric, vector, mixed):
        for bytes_ in (body, bytes(flipped)):
            request = refusable(read, model, bytes_, kind)
            assert request is None or request.features.dtype == np.float32


def test_a_media_type_that_nobody_reads_is_refused_by_name(numeric, read):
    with pytest.raises(UnsupportedType, match=r"'image/png' is not read here; send one of: application/json"):
        read(numeric, b"", "image/png")


def test_no_media_type_is_json(numeric, read, instances):
    body = instances([[1, 2]])
    np.testing.assert_array_equal(
        read(numeric, body, "").features, read(numeric, body, "application/json").features
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_more_rows_than_the_limit_are_refused_naming_the_setting(
    numeric, read, instances, npy, arrow, csv_text, kind
):
    body = {
        "application/json": instances([[1, 2]] * 51),
        NPY: npy(np.ones((51, 2))),
        ARROW: arrow({"a": [1.0] * 51, "b": [2.0] * 51}),
        "text/csv": csv_text(["a", "b"], [[1, 2]] * 51),
    }[kind]
    with pytest.raises(NeuronaError, match=r"50 rows \(max_predict_rows\)") as caught:
        read(numeric, body, kind)
    assert caught.value.code == "too_large"
