"""Numbers of every datatype, binary or JSON, flat or nested, are the numbers that NumPy reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

FLOATS = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
WHOLE = {
    f"{sign}{8 * size}": f"<{kind}{size}"
    for sign, kind in (("INT", "i"), ("UINT", "u"))
    for size in (1, 2, 4, 8)
}
ALL = {**FLOATS, **WHOLE, "BOOL": "?"}
shapes = st.tuples(st.integers(0, 5), st.just(3))


def arrays(datatype: str):
    if datatype == "BOOL":
        return hnp.arrays("?", shapes)
    if datatype in WHOLE:
        limits = np.iinfo(ALL[datatype])
        return hnp.arrays(
            ALL[datatype], shapes, elements=st.integers(max(-999, limits.min), min(999, limits.max))
        )
    width = 8 * np.dtype(ALL[datatype]).itemsize
    return hnp.arrays(ALL[datatype], shapes, elements=st.floats(-100, 100, width=width) | st.just(np.nan))


any_tensor = st.sampled_from(sorted(ALL)).flatmap(lambda name: st.tuples(st.just(name), arrays(name)))
json_tensor = st.sampled_from(sorted(set(ALL) - {"FP16"})).flatmap(
    lambda name: st.tuples(st.just(name), arrays(name))
)


def plain(array: np.ndarray, nested: bool) -> list:
    """What json.dumps may be given: NaN is null."""
    values = array.astype(object)
    if array.dtype.kind == "f":
        values[np.isnan(array)] = None
    return values.tolist() if nested else values.reshape(-1).tolist()


@given(tensor=any_tensor)
def test_binary_numbers_of_every_datatype_are_answered_as_numpy_does(check, sent, tensor):
    datatype, array = tensor
    check("numeric", sent().add("features", datatype, array.shape, array.tobytes()), array)


@given(tensor=json_tensor, nested=st.booleans())
def test_json_numbers_flat_or_nested_are_answered_as_numpy_does(check, sent, tensor, nested):
    datatype, array = tensor
    check("numeric", sent().add("features", datatype, array.shape, plain(array, nested)), array)


@given(
    array=hnp.arrays("<f4", st.tuples(st.integers(0, 4), st.just(4)), elements=st.floats(-99, 99, width=32))
)
def test_binary_flat_and_nested_get_the_same_bits(inference, sent, opened, array):
    answers = []
    for data in (array.tobytes(), plain(array, False), plain(array, True)):
        headers, body = sent().add("features", "FP32", array.shape, data).bytes()
        answers.append(opened(inference.infer(model="vector", headers=headers, body=body))["probabilities"])
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


@given(upper=hnp.arrays("<u2", (2, 3), elements=st.integers(0x3F00, 0x42C0)))
def test_bf16_is_the_upper_half_of_a_float32(check, sent, upper):
    values = (upper.astype("<u4") << 16).view("<f4")
    check("numeric", sent().add("features", "BF16", (2, 3), upper.tobytes()), values)


@pytest.mark.parametrize(("datatype", "dtype"), [("FP64", "<f8"), ("INT64", "<i8")])
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_large_numbers_are_not_squeezed_through_fp32(check, sent, datatype, dtype, as_json, shape):
    """A column of times in seconds: float32 would round all three to one number."""
    array = np.array([10**9 - 3, 10**9, 10**9 + 5], dtype).reshape(shape)
    data = array.tolist() if as_json else array.tobytes()
    found = check("clock", sent().add("features", datatype, shape, data), array.reshape(-1, 1))
    assert len(np.unique(found["probabilities"], axis=0)) == 3


@pytest.mark.parametrize(
    ("datatype", "data", "message"),
    [
        ("FP32", [1, "2", 3], "element 1: expected a number (FP32), got the string '2'"),
        ("FP32", [1, True, 3], "element 1: expected a number (FP32), got true"),
        ("FP32", [1, [2], 3], "element 1: expected a number (FP32), got a list of 1"),
        ("FP32", [[1, 2], [], 3], "expected 1 rows in 'data', got 3"),
        ("FP32", [1, {}, 3], "element 1: expected a number (FP32), got an object"),
        ("FP32", [1, 2], "its shape [1, 3] asks for 3 elements, and 'data' has 2"),
        ("FP32", [], "its shape [1, 3] asks for 3 elements, and 'data' has 0"),
        ("FP32", [[1, 2]], "row 0: expected 3 values, got 2"),
        ("FP32", [[1, 2, 3, 4]], "row 0: expected 3 values, got 4"),
        ("FP32", [[1, [2], 3]], "element 1: expected a number (FP32), got a list of 1"),
        ("FP32", [[1, [2, 3]]], "row 0: expected 3 values, got 2"),
        ("FP32", [[[1, 2, 3]]], "row 0: expected 3 values, got 1"),
        ("FP32", [[1, 2, 3], 4], "expected 1 rows in 'data', got 2"),
        ("FP16", [1, 2, 3], "FP16 does not travel as JSON; send it as binary data"),
        ("BF16", [1, 2, 3], "BF16 does not travel as JSON; send it as binary data"),
        ("INT32", [1, 2.0, 3], "element 1: expected a whole number (INT32), got the number 2.0"),
        ("INT8", [1, 2, 128], "element 2: 128 is beyond INT8"),
        ("UINT8", [1, -2, 3], "element 1: -2 is beyond UINT8"),
        ("UINT64", [1, 2, 2**64], "element 2: 1.84467e+19 is beyond UINT64"),
        ("INT64", [1, 2, 2**63], "element 2: 9.22337e+18 is beyond INT64"),
        ("BOOL", [True, 1, False], "element 1: expected true or false (BOOL), got the number 1"),
        ("FP32", "abc", "expected 'data' to be a list, got the string 'abc'"),
        ("FP32", 3, "expected 'data' to be a list, got the number 3"),
    ],
)
def test_json_that_is_not_such_numbers_is_refused_with_what_was_expected_and_came(
    refused, sent, datatype, data, message
):
    text = refused("numeric", sent().add("features", datatype, (1, 3), data))
    assert text == f"input 'features': {message}"


def test_a_list_hidden_in_a_row_is_found_though_the_count_is_right(refused, sent):
    hidden = [[1, 2, 3], [4, [5], 6]]
    assert "element 4" in refused("numeric", sent().add("features", "FP32", (2, 3), hidden))
    hidden = [1, [2, 3], [], 4, 5, 6]
    assert "element 1" in refused("numeric", sent().add("features", "FP32", (2, 3), hidden))


def test_brackets_elsewhere_in_the_request_change_nothing(check, sent):
    request = sent().add("features", "FP32", (1, 3), [[1, 2, 3]])
    request.head["id"] = "[[["
    check("numeric", request, np.array([[1.0, 2, 3]]))
    request = sent().add("features", "INT16", (1, 3), [1, None, 3])
    request.head["id"] = "["
    check("numeric", request, np.array([[1, np.nan, 3]]))


@pytest.mark.parametrize("datatype", sorted(ALL))
@pytest.mark.parametrize("more", [-1, 1])
def test_binary_data_of_another_size_than_the_shape_asks_for_is_refused(refused, sent, datatype, more):
    size = 3 * np.dtype(ALL[datatype]).itemsize
    text = refused("numeric", sent().add("features", datatype, (1, 3), bytes(size + more)))
    assert text == f"input 'features': {datatype} of shape [1, 3] takes {size} bytes, got {size + more}"


def test_a_bool_is_a_byte_of_0_or_1(refused, sent):
    text = refused("numeric", sent().add("features", "BOOL", (1, 3), b"\0\1\2"))
    assert text == "input 'features': element 2: expected the byte 0 or 1 (BOOL), got 2"


@pytest.mark.parametrize("datatype", sorted(FLOATS))
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinity_is_refused_by_row_and_column(refused, sent, datatype, value):
    array = np.array([[0, 1, 2], [3, value, 5]], ALL[datatype])
    text = refused("numeric", sent().add("features", datatype, (2, 3), array.tobytes()))
    assert text == f"input 'features': row 1, column 'width': expected a finite number, got {value}"
