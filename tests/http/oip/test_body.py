"""Where JSON ends and binary data begins is said by one header, and every wrong saying is refused."""

import gzip
import json
import zlib

import numpy as np
import pytest

ROW = np.array([[1.0, 2, 3]], "<f4")


@pytest.fixture
def binary(sent):
    """A good request with binary data: headers and body."""
    return sent().add("features", "FP32", (1, 3), ROW.tobytes()).bytes()


@pytest.mark.parametrize(
    "length", ["-1", "+5", "1.5", "0x10", "", " ", "abc", "1_0", "٣", "9" * 30, "1e2", "10,10"]
)
def test_a_length_that_is_no_whole_number_is_refused(refused, binary, length):
    text = refused("numeric", ({"inference-header-content-length": length}, binary[1]))
    assert f"must be from 0 to {len(binary[1])}, got {length!r}" in text


@pytest.mark.parametrize("blank", [" ", "\t", " \t "])
def test_blanks_behind_a_header_are_none_of_it(check, sent, blank):
    request = sent().add("features", "FP32", (1, 3), ROW.tobytes())
    length = request.bytes()[0]["inference-header-content-length"]
    request.headers = {"inference-header-content-length": length + blank}
    check("numeric", request, ROW)


def test_a_length_beyond_the_body_is_refused(refused, binary):
    text = refused("numeric", ({"inference-header-content-length": str(len(binary[1]) + 1)}, binary[1]))
    assert f"must be from 0 to {len(binary[1])}" in text


def test_without_the_header_the_whole_body_is_json_whatever_its_type(refused, binary):
    text = refused("numeric", ({"content-type": "application/octet-stream"}, binary[1]))
    assert "no Inference-Header-Content-Length says where" in text


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/octet-stream", None])
def test_the_content_type_does_not_matter(check, sent, kind):
    request = sent().add("features", "FP32", (1, 3), ROW.tobytes())
    request.headers = {} if kind is None else {"content-type": kind}
    check("numeric", request, ROW)


def test_a_header_that_covers_the_whole_body_is_right_where_all_is_json(check, sent):
    request = sent().add("features", "FP32", (1, 3), [1, 2, 3])
    request.headers = {"inference-header-content-length": str(len(request.bytes()[1]))}
    check("numeric", request, ROW)


@pytest.mark.parametrize("by", [-1, 1])
def test_a_length_that_is_off_by_one_is_refused(refused, binary, by):
    length = int(binary[0]["inference-header-content-length"]) + by
    refused("numeric", ({"inference-header-content-length": str(length)}, binary[1]))


def test_too_little_binary_data_is_refused_as_triton_refuses_it(refused, binary):
    text = refused("numeric", (binary[0], binary[1][:-5]))
    assert text == "unexpected size for input 'features', expecting 5 additional bytes"


def test_too_much_binary_data_is_refused_as_triton_refuses_it(refused, binary):
    text = refused("numeric", (binary[0], binary[1] + b"ab"))
    assert text == "unexpected additional input data: 2 bytes follow the last input's"


def test_blobs_follow_in_the_order_of_the_inputs(check, sent):
    word = b"\3\0\0\0red"
    number, vector = np.array([7.0], "<f8"), np.array([[1, 2, 3, 4]], "<i2")
    request = (
        sent()
        .add("x", "INT16", (1, 4), vector.tobytes())
        .add("new", "BYTES", (1, 1), ["true"])
        .add("colour", "BYTES", (1, 1), word)
        .add("width", "FP64", (1,), number.tobytes())
    )
    check("mixed", request, {"x": vector, "new": ["true"], "colour": ["red"], "width": number})


def test_a_size_left_out_is_computed_from_shape_and_datatype(check, sent):
    request = sent().add("features", "FP32", (1, 3), ROW.tobytes())
    del request.head["inputs"][0]["parameters"]
    check("numeric", request, ROW)


# raw


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_raw_body_is_the_only_input_and_is_answered_in_binary(inference, opened, models, expected, rows):
    array = np.arange(3 * rows, dtype="<f4").reshape(rows, 3)
    reply = inference.infer(
        model="numeric", headers={"inference-header-content-length": "0"}, body=array.tobytes()
    )
    assert reply.headers["content-type"] == "application/octet-stream"
    np.testing.assert_allclose(
        opened(reply)["probabilities"], expected(models["numeric"], array), rtol=2e-4, atol=2e-6
    )


def test_a_raw_text_is_the_only_category(inference, opened, models, expected):
    reply = inference.infer(model="word", headers={"inference-header-content-length": "0"}, body="ß".encode())
    oracle = expected(models["word"], {"colour": ["ß"]})
    np.testing.assert_allclose(opened(reply)["probabilities"], oracle, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("size", [0, 1, 11, 13])
def test_a_raw_body_of_no_whole_rows_is_refused(refused, size):
    text = refused("numeric", ({"inference-header-content-length": "0"}, bytes(size)))
    assert text == f"input 'features': a raw tensor takes 12 bytes a row, got {size} bytes"


def test_a_raw_body_is_refused_by_a_model_of_several_inputs(refused):
    text = refused("mixed", ({"inference-header-content-length": "0"}, bytes(12)))
    assert (
        text == "a raw tensor is for models of one input, and this one has 4: 'width', 'colour', 'new', 'x'"
    )


# compression and size


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_the_length_counts_bytes_before_compression(
    inference, opened, models, expected, binary, encoding, pack
):
    headers, body = binary
    reply = inference.infer(
        model="numeric", headers={**headers, "content-encoding": encoding}, body=pack(body)
    )
    np.testing.assert_allclose(
        opened(reply)["probabilities"], expected(models["numeric"], ROW), rtol=2e-4, atol=2e-6
    )


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_bomb_is_too_large(refused, encoding, pack):
    text = refused("numeric", ({"content-encoding": encoding}, pack(bytes(10**8))), 413)
    assert "1048576 bytes (max_predict_bytes)" in text


def test_a_body_beyond_the_limit_is_too_large(refused):
    assert "max_predict_bytes" not in refused("numeric", ({}, b" " * (1 << 20)))
    assert "max_predict_bytes" in refused("numeric", ({}, b" " * ((1 << 20) + 1)), 413)


def test_an_encoding_that_nobody_here_reads_is_415(refused):
    assert "'Content-Encoding: br'" in refused("numeric", ({"content-encoding": "br"}, b"{}"), 415)


@pytest.mark.parametrize(("encoding", "unpack"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
@pytest.mark.parametrize("binary_out", [False, True])
def test_a_large_answer_is_compressed_where_that_is_accepted(inference, sent, encoding, unpack, binary_out):
    array = np.random.default_rng(0).normal(size=(150, 3)).astype("<f4")
    request = (
        sent().add("features", "FP32", array.shape, array.tobytes()).wishing(binary_data_output=binary_out)
    )
    headers, body = request.bytes()
    as_it_is = inference.infer(model="numeric", headers=headers, body=body)
    reply = inference.infer(model="numeric", headers={**headers, "accept-encoding": encoding}, body=body)
    assert "content-encoding" not in as_it_is.headers
    assert reply.headers == {**as_it_is.headers, "content-encoding": encoding}
    assert unpack(reply.body) == as_it_is.body
    length = int(as_it_is.headers.get("inference-header-content-length", len(as_it_is.body)))
    json.loads(as_it_is.body[:length])
