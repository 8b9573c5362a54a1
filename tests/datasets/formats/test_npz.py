"""NPZ: two arrays out of a zip archive, whatever else somebody put into it."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from app.errors import Invalid, TooLarge, Unreadable

NPZ = "application/x-npz"
Y = np.array([0, 1, 0, 1])


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def archive(method=zipfile.ZIP_DEFLATED, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, data in members.items():
            made.writestr(f"{name}.npy", data)
    return file.getvalue()


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("uint8", "uint8"), ("float32", "float32"), ("float64", "float64"), ("float16", "float32"), (">f8", "float64"),
     ("int8", "float32"), ("uint16", "float32"), ("int32", "float64"), ("int64", "float64"), ("bool", "uint8"),
     (">i4", "float64"), ("longdouble", "float64")],
)  # fmt: skip
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 3), (5, 1), (5, 2, 2, 2)])
def test_every_number_type_shape_and_order_is_read(opened, npz, dtype, stored, order, shape):
    x = np.asarray(np.arange(np.prod(shape)).reshape(shape) % 100, dtype=dtype, order=order)
    data = opened(npz(x=x, y=np.array([0, 1, 0, 1, 0])), NPZ)
    (info,) = data.dataset.columns
    assert (info.name, info.type, info.dtype, info.size) == ("x", "vector", stored, np.prod(shape[1:]))
    np.testing.assert_array_equal(data.columns()["x"], x.reshape(5, -1).astype(stored))


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_larger_than_a_block_are_read_in_order(opened, npz, order):
    x = np.asarray(np.random.default_rng(0).normal(size=(70_000, 17)), order=order)
    y = np.arange(70_000) % 3
    data = opened(npz(x=x, y=y), NPZ)
    np.testing.assert_array_equal(data.columns()["x"], x)
    np.testing.assert_array_equal(data.labels, y)
    assert len(list(data.batches())) > 1


def test_one_dimension_is_one_numeric_column(opened, npz):
    data = opened(npz(x=np.array([1, np.nan, 3, 4], "float32"), y=Y), NPZ)
    assert data.columns()["x0"].dtype == np.float32
    np.testing.assert_equal(data.columns()["x0"], np.array([1, np.nan, 3, 4], "float32"))
    assert data.dataset.columns[0].missing == 1


def test_one_dimension_can_be_text(opened, npz):
    data = opened(npz(x=np.array([1.0, 2.5, np.nan, 1.0]), y=Y), NPZ, categorical=["x0"])
    assert data.columns()["x0"].vocabulary == ("1", "2.5")
    assert data.columns()["x0"].codes.tolist() == [0, 1, -1, 0]


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array([3, -1, 3, -1], "int8"), [-1, 3]),
        (np.array([2**63 - 1, 0, 1, 1], "uint64"), [0, 1, 2**63 - 1]),
        (np.array([True, False, True, True]), [False, True]),
        (np.array([2.0, 1.0, 2.0, 2.0], "float32"), [1, 2]),
        (np.array(["ñ", "no", "ñ", "no"]), ["no", "ñ"]),
        (np.array([1, 2, 1, 2], ">i8"), [1, 2]),
    ],
)
def test_labels_come_back_as_they_were_sent(opened, npz, y, classes):
    data = opened(npz(x=np.zeros((4, 2)), y=y), NPZ)
    found = [each.label for each in data.dataset.classes]
    assert found == classes
    assert [type(v) for v in found] == [type(v) for v in classes]
    assert [found[code] for code in data.labels] == y.tolist()


def test_other_arrays_are_left_out_with_a_warning(opened, npz):
    data = opened(npz(x=np.arange(8.0).reshape(4, 2), y=Y, more=np.zeros(3)), NPZ)
    assert data.dataset.warnings == ("arrays beside x and y were left out: more",)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_objects_are_never_unpickled(fault):
    objects = np.array([Bomb(), Bomb()], dtype=object)
    for members in ({"x": npy(objects), "y": npy(Y)}, {"x": npy(np.zeros((4, 1))), "y": npy(objects)}):
        error = fault(archive(**members), NPZ)
        assert isinstance(error, Unreadable)
        assert "Python objects, which are never unpickled" in str(error)
    assert isinstance(fault(archive(x=pickle.dumps([1]), y=npy(Y)), NPZ), Unreadable)


def test_a_header_that_promises_more_than_there_is_is_refused_before_memory_is_taken(fault):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 10)}
    )
    error = fault(archive(x=file.getvalue(), y=npy(Y)), NPZ)
    assert "its length is another" in str(error)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_numpy_does_not_write_are_refused(fault, method):
    assert "numpy does not use" in str(fault(archive(method, x=npy(np.zeros((4, 1))), y=npy(Y)), NPZ))


def test_a_zip_bomb_is_too_large(new_store, npz):
    body = npz(x=np.zeros((4, 1_000_000)), y=Y)
    assert len(body) < 50_000
    with pytest.raises(TooLarge, match="max_dataset_bytes"):
        new_store(max_dataset_bytes=1_000_000).ingest([body], media_type=NPZ)


def test_a_flipped_bit_is_found_by_the_checksum(fault):
    body = bytearray(archive(zipfile.ZIP_STORED, x=npy(np.full((4, 2), 7.0)), y=npy(Y)))
    body[body.index(np.float64(7.0).tobytes()) + 3] ^= 1
    assert isinstance(fault(bytes(body), NPZ), Unreadable)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((4, 2))}, "no array 'y'; it has: x"),
        ({"data": np.zeros((4, 2)), "y": Y}, "no array 'x'; it has: data, y"),
        ({"x": np.zeros((3, 2)), "y": Y}, "x has 3 rows but y has 4 labels"),
        ({"x": np.zeros((4, 2)), "y": np.eye(4)}, "one label for each row"),
        ({"x": np.zeros((4, 0)), "y": Y}, "must hold numbers"),
        ({"x": np.array(["a", "b", "c", "d"]), "y": Y}, "must hold numbers"),
        ({"x": np.zeros(4, complex), "y": Y}, "must hold numbers"),
        ({"x": np.float64(3), "y": Y}, "must hold numbers"),
        ({"x": np.zeros((4, 2)), "y": np.array([0.5, 1, 0, 1])}, "not a whole number"),
        ({"x": np.zeros((4, 2)), "y": np.zeros(4, "datetime64[s]")}, "labels are integers"),
        ({"x": np.zeros((3, 2)), "y": Y[:3]}, "at least 4 rows"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(fault, npz, arrays, words):
    error = fault(npz(**arrays), NPZ)
    assert isinstance(error, Invalid)
    assert words in str(error)


def test_infinities_and_missing_labels_are_told_with_their_row(fault, npz):
    x = np.zeros((4, 3))
    x[2, 1] = -np.inf
    (problem,) = fault(npz(x=x, y=Y), NPZ).problems
    assert (problem.row, problem.column, problem.location) == (2, "x", "x[2]")
    (problem,) = fault(npz(x=np.zeros((4, 3)), y=np.array([0, 1, np.nan, 1])), NPZ).problems
    assert (problem.row, problem.column) == (2, "y")
