"""Claims about weights files, against the safetensors library as the oracle."""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.repository import weights
from core.network import Dense, initialise, sizes


@pytest.fixture(params=[0, 1 << 40], ids=["mapped", "copied"])
def map_from(request):
    return request.param


@pytest.fixture
def reading(tmp_path, map_from):
    """Reads bytes as a weights file of the given sizes, mapped and copied."""

    def read(data, sizes=(2, 3, 2)):
        path = tmp_path / "model.safetensors"
        path.write_bytes(data)
        with path.open("rb", buffering=0) as file:
            return weights.read(file, sizes, map_from=map_from)

    return read


@pytest.fixture(scope="module")
def good():
    return weights.to_bytes(initialise((2, 3, 2), np.random.default_rng(0)), (2, 3, 2))


def packed(header, payload=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


def unpacked(data):
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (7, 5, 3, 2)])
def test_the_library_reads_what_was_written_and_what_it_wrote_is_read(reading, dtype, shape):
    params = initialise(shape, np.random.default_rng(1), dtype)
    data = weights.to_bytes(params, shape)
    theirs = safetensors.numpy.load(data)
    ours = reading(data, shape)
    assert sizes(ours) == shape
    for i, layer in enumerate(params):
        for said, mine in ((layer.weight, ours[i].weight), (layer.bias, ours[i].bias)):
            assert np.array_equal(said, mine)
            assert mine.dtype == dtype
            assert mine.flags.aligned
            assert not mine.flags.writeable
        assert np.array_equal(theirs[f"layers.{i}.weight"], layer.weight)
        assert np.array_equal(theirs[f"layers.{i}.bias"], layer.bias)


def test_weights_in_any_layout_or_byte_order_are_written_alike():
    params = initialise((4, 3), np.random.default_rng(2))
    fortran = (Dense(np.asfortranarray(params[0].weight), params[0].bias),)
    swapped = (Dense(params[0].weight.astype(">f4"), params[0].bias.astype(">f4")),)
    expected = weights.to_bytes(params, (4, 3))
    assert weights.to_bytes(fortran, (4, 3)) == expected
    assert weights.to_bytes(swapped, (4, 3)) == expected


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Dense(np.zeros((2, 2), np.int64), np.zeros(2, np.int64)), "all float32 or all float64"),
        (Dense(np.zeros((2, 2), np.float32), np.zeros(2)), "all float32 or all float64"),
        (Dense(np.zeros((2, 3)), np.zeros(2)), "fit each other"),
        (Dense(np.full((2, 2), np.nan), np.zeros(2)), "not finite"),
    ],
)
def test_weights_that_could_not_be_read_again_are_not_written(layer, reason):
    with pytest.raises(ValueError, match=reason):
        weights.to_bytes((layer,), (2, 2))


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (7, 5, 3, 2), (30, 20, 10)])
def test_numbers_begin_at_a_cache_line(shape):
    data = weights.to_bytes(initialise(shape, np.random.default_rng(1)), shape)
    assert (8 + struct.unpack("<Q", data[:8])[0]) % 64 == 0
    assert set(safetensors.numpy.load(data)) == set(unpacked(data)[0])


def test_mapped_weights_lie_in_the_file_and_outlive_its_name(tmp_path):
    shape = (300, 200, 10)
    params = initialise(shape, np.random.default_rng(1))
    path = tmp_path / "model.safetensors"
    path.write_bytes(weights.to_bytes(params, shape))
    assert maps() == []
    with path.open("rb", buffering=0) as file:
        found = weights.read(file, shape, map_from=path.stat().st_size // 2)
    assert len(maps()) == 1
    assert not any(array.flags.owndata for layer in found for array in layer)
    path.unlink()
    for layer, wanted in zip(found, params, strict=True):
        assert np.array_equal(layer.weight, wanted.weight)
    del layer, found
    assert maps() == []


def maps():
    """The lines of this process's maps that are of weights files."""
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if "model.safetensors" in line]


def test_an_unaligned_payload_is_read_as_aligned_arrays(reading, good):
    header, payload = unpacked(good)
    text = json.dumps(header).encode()
    odd = text + b" " * (1 + -(len(text) + 8) % 8)
    params = reading(packed(odd, payload))
    assert all(array.flags.aligned for layer in params for array in layer)


def altered(name, **entry):
    def alter(header):
        header[name].update(entry)

    return alter


def replaced(header):
    header["evil"] = header.pop("layers.0.bias")


@pytest.mark.parametrize(
    "alter",
    [
        altered("layers.0.bias", dtype="BF16"),
        altered("layers.0.bias", dtype="F64"),
        altered("layers.0.bias", dtype=["F32"]),
        altered("layers.0.bias", shape=[1, 3]),
        altered("layers.0.bias", shape=[2**62]),
        altered("layers.0.bias", shape="3"),
        altered("layers.0.bias", data_offsets=[0, 2**62]),
        altered("layers.0.bias", data_offsets=[-12, 0]),
        altered("layers.0.bias", data_offsets=[0]),
        altered("layers.0.bias", data_offsets=[0.0, 12.0]),
        altered("layers.0.bias", data_offsets=None),
        lambda header: header.update({"layers.0.bias": []}),
        lambda header: header.pop("layers.0.bias"),
        lambda header: header.update(extra=header["layers.0.bias"]),
        replaced,
    ],
)
def test_a_lying_header_is_refused(reading, good, alter):
    header, payload = unpacked(good)
    alter(header)
    with pytest.raises(ValueError, match="weights"):
        reading(packed(header, payload))


def test_overlapping_tensors_and_gaps_are_refused(reading, good):
    header, payload = unpacked(good)
    header["layers.0.bias"]["data_offsets"] = header["layers.1.bias"]["data_offsets"]
    with pytest.raises(ValueError, match="weights"):
        reading(packed(header, payload))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        b"\0" * 8,
        b"\xff" * 8,
        struct.pack("<Q", 2**63) + b"{}",
        packed(b"{}"),
        packed(b"[]"),
        packed(b"not json"),
        packed(b"[" * 50_000),
    ],
)
def test_what_is_no_weights_file_is_refused(reading, data):
    with pytest.raises(ValueError, match="weights"):
        reading(data)


def test_every_truncation_and_any_addition_is_refused(reading, good):
    for end in range(len(good)):
        with pytest.raises(ValueError, match="weights"):
            reading(good[:end])
    with pytest.raises(ValueError, match="weights"):
        reading(good + b"\0" * 4)


def test_a_payload_of_another_width_than_its_dtype_is_refused(reading, good):
    header, payload = unpacked(good)
    with pytest.raises(ValueError, match="as long as its header says"):
        reading(packed(header, payload * 2))


def test_sizes_far_beyond_the_file_are_refused_without_allocating(reading, good):
    for huge in ((2**40, 2**40, 2), (2, *[1] * 10_000, 2), (2**60, 3)):
        with pytest.raises(ValueError, match="not as long as the sizes"):
            reading(good, huge)


def test_weights_that_are_not_finite_are_refused(reading, good):
    header, payload = unpacked(good)
    with pytest.raises(ValueError, match="not finite"):
        reading(packed(header, payload[:-4] + struct.pack("<f", float("inf"))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_any_one_byte_changed_gives_the_same_shapes_or_a_value_error(reading, good, place, byte):
    data = bytearray(good)
    data[place % len(data)] = byte
    try:
        params = reading(bytes(data))
    except ValueError:
        return
    assert sizes(params) == (2, 3, 2)
    assert all(np.isfinite(array).all() for layer in params for array in layer)


def test_reading_is_bounded_by_a_file_that_shrinks_meanwhile(good):
    class Shrunk(io.BytesIO):
        def readinto(self, _):
            return 0

    with pytest.raises(ValueError, match="ended early"):
        weights._payload(Shrunk(good), 100)
