"""A request that is not what the protocol says is refused with the place and what was expected."""

import json

import numpy as np
import pytest

GOOD = {"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}


def body(document) -> tuple[dict[str, str], bytes]:
    return {}, json.dumps(document).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"[1,",
        b"{'a': 1}",
        b'{"inputs": [NaN]}',
        b"\xff\xfe",
        b'"\\ud800"',
        b"{}{}",
        b"[" * 5000,
    ],
)
def test_what_is_not_json_is_refused_as_such(refused, text):
    assert refused("numeric", ({}, text)).startswith("The JSON body could not be read: ")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "the request: expected an object, got null"),
        ([], "the request: expected an object, got a list"),
        (3, "the request: expected an object, got the number 3"),
        ({}, "input 'features' is missing; the model takes 'features'"),
        ({"inputs": None}, "input 'features' is missing; the model takes 'features'"),
        ({"inputs": {}}, "expected 'inputs' to be a list, got an object"),
        ({"inputs": [None]}, "inputs[0]: expected an object, got null"),
        ({"inputs": [[]]}, "inputs[0]: expected an object, got a list"),
        ({"inputs": [{}]}, "inputs[0]: has no 'name'"),
        ({"inputs": [{"name": 3}]}, "inputs[0]: expected 'name' to be a string, got the number 3"),
        ({"inputs": [GOOD], "id": 7}, "the request: expected 'id' to be a string, got the number 7"),
        ({"inputs": [GOOD], "parameters": []}, "parameters: expected an object, got a list"),
        (
            {"inputs": [GOOD], "parameters": {"binary_data_output": 1}},
            "parameters: expected 'binary_data_output' to be true or false, got the number 1",
        ),
        ({"inputs": [GOOD], "outputs": {}}, "expected 'outputs' to be a list, got an object"),
        ({"inputs": [GOOD], "outputs": [{}]}, "outputs[0]: has no 'name'"),
        (
            {"inputs": [GOOD], "outputs": [{"name": "scores"}]},
            "there is no output 'scores'; the model gives 'probabilities', 'label'",
        ),
        (
            {"inputs": [GOOD], "outputs": [{"name": "label"}, {"name": "label"}]},
            "outputs[1]: output 'label' is asked for twice",
        ),
        (
            {"inputs": [GOOD], "outputs": [{"name": "label", "parameters": {"binary_data": "yes"}}]},
            "outputs[0]: expected 'binary_data' to be true or false, got the string 'yes'",
        ),
        (
            {"inputs": [GOOD], "outputs": [{"name": "label", "parameters": {"classification": 1}}]},
            "'classification' is for the output 'probabilities', not for 'label'",
        ),
        (
            {"inputs": [GOOD], "outputs": [{"name": "probabilities", "parameters": {"classification": -1}}]},
            "outputs[0]: expected 'classification' to be a whole number from 0, got the number -1",
        ),
        (
            {
                "inputs": [GOOD],
                "outputs": [{"name": "label", "parameters": {"shared_memory_region": "r"}}],
            },
            "outputs[0]: there is no shared memory here; outputs come in the answer",
        ),
        ({"inputs": [GOOD, GOOD]}, "input 'features' is there 2 times"),
        (
            {"inputs": [GOOD, {**GOOD, "name": "other"}]},
            "there is no input 'other'; the model takes 'features'",
        ),
    ],
)
def test_a_wrong_request_is_refused_with_the_place(refused, document, message):
    assert refused("numeric", body(document)) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datatype": None}, "expected a datatype, one of BOOL, INT8"),
        ({"datatype": "fp32"}, "got the string 'fp32'"),
        ({"datatype": 32}, "got the number 32"),
        (
            {"datatype": "BYTES", "data": ["1", "2", "3"]},
            "expected numbers (FP32, or another numeric type), got BYTES",
        ),
        ({"shape": None}, "expected 'shape' to be a list of sizes, got null"),
        ({"shape": 3}, "expected 'shape' to be a list of sizes, got the number 3"),
        ({"shape": [1, -3]}, "expected 'shape' to be whole numbers from 0, got the number -3 at 1"),
        ({"shape": [1.0, 3]}, "expected 'shape' to be whole numbers from 0, got the number 1.0 at 0"),
        ({"shape": [True, 3]}, "expected 'shape' to be whole numbers from 0, got true at 0"),
        ({"shape": ["1", 3]}, "expected 'shape' to be whole numbers from 0, got the string '1' at 0"),
        ({"shape": []}, "expected shape [-1, 3], got []"),
        ({"shape": [3]}, "expected shape [-1, 3], got [3]"),
        ({"shape": [3, 1]}, "expected shape [-1, 3], got [3, 1]"),
        ({"shape": [1, 3, 1]}, "expected shape [-1, 3], got [1, 3, 1]"),
        ({"shape": [1, 2**64]}, "expected shape [-1, 3], got [1, 18446744073709551616]"),
        ({"shape": [1, 10**300]}, "expected shape [-1, 3], got [1, 1e+300]"),
        ({"shape": [1] * 12}, "expected shape [-1, 3], got [1, 1, 1, 1, 1, 1, 1, 1, …]"),
        ({"shape": [1] * 999}, "expected 'shape' to have few dimensions, got 999"),
        ({"shape": [2, 3]}, "its shape [2, 3] asks for 6 elements, and 'data' has 3"),
        ({"data": None}, "has neither 'data' nor the parameter 'binary_data_size'"),
        (
            {"parameters": {"binary_data_size": 12}},
            "has both 'data' and 'binary_data_size'; send one of them",
        ),
        (
            {"data": None, "parameters": {"binary_data_size": "12"}},
            "expected 'binary_data_size' to be a whole number",
        ),
        (
            {"data": None, "parameters": {"binary_data_size": -1}},
            "expected 'binary_data_size' to be a whole number",
        ),
        ({"data": None, "parameters": {"binary_data_size": 2**70}}, "unexpected size for input 'features'"),
        ({"data": None, "parameters": {"shared_memory_region": "r"}}, "there is no shared memory here"),
        ({"parameters": 3}, "parameters: expected an object, got the number 3"),
    ],
)
def test_a_wrong_input_is_refused_by_its_name(refused, change, message):
    text = refused("numeric", body({"inputs": [{**GOOD, **change}]}))
    assert "input 'features'" in text
    assert message in text


@pytest.mark.parametrize("shape", [[2**62, 3], [2**64, 3]])
def test_a_shape_whose_product_no_number_holds_is_refused(refused, shape):
    assert "more elements than can be" in refused("numeric", body({"inputs": [{**GOOD, "shape": shape}]}))


@pytest.mark.parametrize("shape", [[201, 3], [2**60, 3]])
def test_more_rows_than_allowed_are_too_large_whatever_follows(refused, shape):
    assert "max_predict_rows" in refused("numeric", body({"inputs": [{**GOOD, "shape": shape}]}), 413)


def test_a_key_given_twice_is_refused(refused):
    head = b'{"inputs": [{"name": "features", "name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}'
    assert refused("numeric", ({}, head)) == "'name' is given twice in inputs[0]"


def test_what_the_protocol_does_not_know_is_let_be(check, sent):
    request = (
        sent().add("features", "FP32", (1, 3), [1, 2, 3]).wishing(priority=3, timeout=100, sequence_id="a")
    )
    request.head["model_name"] = "other"
    request.head["inputs"][0]["parameters"] = {"content_type": "np", "scale": 2.5}
    check("numeric", request, np.array([[1.0, 2, 3]]))
