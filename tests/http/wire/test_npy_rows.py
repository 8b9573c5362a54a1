"""`.npy` bodies: what `np.load` reads of a real matrix is what the model gets; anything else is refused."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.errors import Unreadable
from core.encoding import transform_matrix

NPY = "application/x-npy"
DTYPES = ["<f8", ">f8", "<f4", ">f4", "<f2", ">f2", "i1", "<i2", ">i4", "<i8", "u1", ">u2", "<u4", "<u8", "?"]


def framed(header: bytes, data: bytes = b"", version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


@given(data=st.data(), dtype=st.sampled_from(DTYPES), rows=st.integers(0, 6), fortran=st.booleans())
def test_a_matrix_of_any_real_dtype_and_order_is_what_numpy_loads(
    vector, read, npy, data, dtype, rows, fortran
):
    elements = {"allow_infinity": False} if np.dtype(dtype).kind == "f" else {}
    matrix = data.draw(arrays.arrays(dtype, (rows, 3), elements=elements))
    body = npy(np.asfortranarray(matrix) if fortran else matrix)
    oracle = transform_matrix(vector, np.load(io.BytesIO(body)))
    np.testing.assert_array_equal(read(vector, body, NPY).features, oracle, strict=True)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }\n",
        b"{'descr':'<f8','fortran_order':False,'shape':(1,3)}",
        b'{"shape": (1, 3), "fortran_order": True, "descr": "<f8"}  \n',
    ],
)
def test_headers_of_every_version_and_spacing_are_read(vector, read, header, version):
    body = framed(header, np.array([1.0, 2.0, 3.0]).tobytes(), version)
    expected = transform_matrix(vector, np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(read(vector, body, NPY).features, expected)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), r"expected an array of shape (rows, 3), got (3,)"),
        (np.ones((2, 4)), r"expected an array of shape (rows, 3), got (2, 4)"),
        (np.ones((1, 1, 4)), r"expected an array of shape (rows, 3), got (1, 1, 4)"),
        (np.array(1.0), r"expected an array of shape (rows, 3), got ()"),
        (
            np.array([["a", "b", "c"]]),
            "expected an array of real numbers (float, integer or bool), got dtype '<U1'",
        ),
        (
            np.ones((1, 3), complex),
            "expected an array of real numbers (float, integer or bool), got dtype '<c16'",
        ),
        (
            np.array([[None, 1, 2]]),
            "expected an array of real numbers (float, integer or bool), got dtype '|O'",
        ),
        (np.zeros((1, 3), "datetime64[s]"), "expected an array of real numbers (float, integer or bool)"),
        (
            np.zeros((1, 3), [("x", "f8")]),
            "expected an array of real numbers (float, integer or bool), got dtype",
        ),
    ],
)
def test_an_array_of_another_shape_or_dtype_is_refused(vector, problems, npy, array, message):
    (problem,) = problems(vector, npy(array), NPY)
    assert problem.message.startswith(message)


@pytest.mark.parametrize("order", ["C", "F"])
def test_images_may_stand_as_they_are_for_a_vector_alone(vector, numeric, read, problems, npy, order):
    images = np.asarray(np.arange(6.0).reshape(2, 1, 3), order=order)
    flat = read(vector, npy(images.reshape(2, 3)), NPY).features
    np.testing.assert_array_equal(read(vector, npy(images), NPY).features, flat, strict=True)
    (problem,) = problems(numeric, npy(np.ones((2, 1, 2))), NPY)
    assert problem.message.startswith("expected an array of shape (rows, 2), got (2, 1, 2)")


def test_infinities_are_refused_with_row_and_column(numeric, vector, problems, npy):
    (problem,) = problems(numeric, npy(np.array([[1, np.nan], [np.nan, -np.inf]])), NPY)
    assert (problem.row, problem.column) == (1, "b")
    assert problem.message == "row 1, column 'b': expected a finite number, got -inf"
    first, second = problems(vector, npy(np.array([[1, np.inf, np.inf]], ">f2")), NPY)
    assert first.message == "row 0, column 'x': expected a finite number as element 1, got inf"
    assert second.column == "x"
    assert len(problems(vector, npy(np.full((30, 3), np.inf)), NPY)) == 20


@pytest.mark.parametrize("model", ["mixed", "table"])
def test_a_model_with_categories_takes_no_array(model, problems, npy, request):
    (problem,) = problems(request.getfixturevalue(model), npy(np.ones((1, 3))), NPY)
    assert (
        problem.message
        == "an array of numbers cannot hold this model's mixed columns; send JSON, CSV or Arrow"
    )


GOOD = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "does not begin"),
        (b"\x93NUMPY\x01\x00", "does not begin"),
        (b"PK\x03\x04" + b"0" * 99, "does not begin"),
        (framed(GOOD, b"0" * 24).replace(b"\x01\x00", b"\x09\x00", 1), r"version 9\.0"),
        (framed(GOOD, b"0" * 23), r"needs 24 bytes of data, and 23 are there"),
        (framed(GOOD, b"0" * 25), r"needs 24 bytes of data, and 25 are there"),
        (framed(GOOD)[:40], "cut short"),
        (framed(b" " * 5000 + GOOD, b"0" * 24), "too long"),
        (framed(b"{'descr': '<f8'}"), "is not one of"),
        (framed(b"{'descr': '<f8', 'fortran_order': 1, 'shape': (1, 3)}"), "is not one of"),
        (framed(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3)}"), "is not one of"),
        (framed(b"{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3)}"), "is not one of"),
        (framed(b"{'descr': '<f8', 'fortran_order': False, 'shape': [1, 3]}"), "is not one of"),
        (framed(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), 'x': 1}"), "is not one of"),
        (framed(b"__import__('os').getpid()"), "is not one of"),
        (framed(b"(" * 2000), "is not one of"),
        (framed(b"\xff\xfe"), "is not one of"),
    ],
)
def test_bytes_that_are_not_one_whole_array_are_unreadable(vector, read, body, reason):
    with pytest.raises(Unreadable, match=reason):
        read(vector, body, NPY)
