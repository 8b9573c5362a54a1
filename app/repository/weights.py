"""Weights as a safetensors file: written by the library, read with every claim checked before it is believed.

The file holds `layers.<i>.weight` (fan_in, fan_out) and `layers.<i>.bias` (fan_out,), all F32 or all F64. Large ones
are mapped: all processes that serve a version then share one copy, the system's cache of the file.
"""

import math
import mmap
import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import save

from core import network
from core.network import Dense, Params

HEADER_LIMIT = 1 << 20
MAP_FROM = 16 << 20  # bytes from which on weights are mapped; what is smaller is copied
_ALIGNMENT = 64  # of the first number in a file: a cache line
_LOOKED_AT = 1 << 20  # numbers judged at a time, so that judging a mapped file takes no memory of its size
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_NOT_FINITE = "some of its weights are not finite numbers"
_Shapes = dict[str, tuple[int, ...]]


def to_bytes(parameters: Params, sizes: Sequence[int]) -> bytes:
    """The whole file, of a network of these sizes.

    ValueError if the layers are of other shapes, not all float32 or all float64, or not finite.
    """
    tensors: dict[str, NDArray[Any]] = {}
    for i, layer in enumerate(parameters):
        tensors |= {f"layers.{i}.weight": layer.weight, f"layers.{i}.bias": layer.bias}
    if {name: array.shape for name, array in tensors.items()} != _shapes(sizes):
        raise ValueError("its layers do not fit each other")
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise ValueError(_NOT_FINITE)
    kinds = {array.dtype.newbyteorder("<") for array in tensors.values()}
    if len(kinds) != 1 or kinds.isdisjoint(_DTYPES.values()):
        raise ValueError("its weights are not all float32 or all float64")
    kind = kinds.pop()
    return _aligned(save({name: np.ascontiguousarray(array, dtype=kind) for name, array in tensors.items()}))


def _aligned(data: bytes) -> bytes:
    """The file with blanks at the end of its header, which the format allows, up to the next `_ALIGNMENT`."""
    end = 8 + int.from_bytes(data[:8], "little")
    blanks = -end % _ALIGNMENT
    head = (end - 8 + blanks).to_bytes(8, "little"), data[8:end], b" " * blanks
    return b"".join((*head, memoryview(data)[end:]))


def read(file: BinaryIO, sizes: Sequence[int], *, map_from: int = MAP_FROM) -> Params:
    """The parameters of a network of these sizes, as read-only arrays, mapped if they are `map_from` bytes or more.

    ValueError with the reason if the file is anything else than exactly those weights, all of them finite;
    nothing larger than the file's true size is ever allocated. A mapped file must keep its length for as long as
    the arrays live: the system kills a process that looks for what was cut off.
    """
    header, room = _header(file)
    _check_room(sizes, room)
    shapes = _shapes(sizes)
    places, kind = _places(header, shapes, room)
    payload = _payload(file, room) if room < map_from else _mapped(file, room)
    arrays = {name: _view(payload, places[name], kind, shape) for name, shape in shapes.items()}
    return tuple(
        Dense(arrays[f"layers.{i}.weight"], arrays[f"layers.{i}.bias"]) for i in range(len(sizes) - 1)
    )


def members_to_bytes(members: Sequence[Params]) -> bytes:
    """A file of softmax regressions of one size: as of a single one, with their classes side by side."""
    layers = [layer for (layer,) in members]
    stacked = Dense(
        np.hstack([layer.weight for layer in layers]), np.hstack([layer.bias for layer in layers])
    )
    return to_bytes((stacked,), stacked.weight.shape)


def read_members(file: BinaryIO, sizes: Sequence[int], count: int) -> tuple[Params, ...]:
    """The `count` softmax regressions of these sizes that `members_to_bytes` wrote; ValueError as `read`."""
    features, *hidden, classes = sizes
    if hidden:
        raise ValueError("its members are kept beside a network, which holds them itself")
    ((weight, bias),) = read(file, (features, count * classes))
    parts = [slice(start, start + classes) for start in range(0, count * classes, classes)]
    return tuple((Dense(weight[:, part], bias[part]),) for part in parts)


def _check_room(sizes: Sequence[int], room: int) -> None:
    numbers = network.count(sizes)
    if room not in (numbers * 4, numbers * 8):
        raise ValueError("its weights file is not as long as the sizes on its card need")


def _shapes(sizes: Sequence[int]) -> _Shapes:
    shapes: _Shapes = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        shapes |= {f"layers.{i}.weight": (fan_in, fan_out), f"layers.{i}.bias": (fan_out,)}
    return shapes


def _header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(HEADER_LIMIT, size - 8):
        raise ValueError("the header of its weights file is longer than can be")
    try:
        header = orjson.loads(file.read(length))
    except orjson.JSONDecodeError as error:
        raise ValueError("the header of its weights file is not JSON") from error
    if not isinstance(header, dict):
        raise ValueError("the header of its weights file is not a JSON object")
    header.pop("__metadata__", None)
    return header, size - 8 - length


def _places(header: dict[str, Any], shapes: _Shapes, room: int) -> tuple[dict[str, slice], np.dtype[Any]]:
    if header.keys() != shapes.keys():
        raise ValueError("its weights file holds other tensors than the sizes on its card need")
    if not all(isinstance(entry, dict) for entry in header.values()):
        raise ValueError("the header of its weights file is wrong")
    kind = _kind([entry.get("dtype") for entry in header.values()])
    places = {name: _place(name, header[name], shape, kind.itemsize) for name, shape in shapes.items()}
    _check_filled(list(places.values()), room)
    return places, kind


def _kind(said: list[object]) -> np.dtype[Any]:
    first = said[0]
    if not isinstance(first, str) or first not in _DTYPES or any(other != first for other in said):
        raise ValueError("its weights are not all F32 or all F64")
    return _DTYPES[first]


def _place(name: str, entry: dict[str, Any], shape: tuple[int, ...], itemsize: int) -> slice:
    if entry.get("shape") != list(shape):
        raise ValueError(f"tensor {name} of its weights file is not of shape {shape}")
    offsets = entry.get("data_offsets")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(o) is int for o in offsets):
        raise ValueError(f"tensor {name} of its weights file has no place")
    if offsets[1] - offsets[0] != math.prod(shape) * itemsize:
        raise ValueError(f"tensor {name} of its weights file has a place of another length than its shape")
    return slice(*offsets)


def _check_filled(places: list[slice], room: int) -> None:
    end = 0
    for place in sorted(places, key=lambda place: place.start):
        if place.start != end:
            raise ValueError("the tensors in its weights file overlap or leave gaps")
        end = place.stop
    if end != room:
        raise ValueError("its weights file is not as long as its header says")


def _payload(file: BinaryIO, room: int) -> NDArray[np.uint8]:
    payload = np.empty(room, dtype=np.uint8)
    rest = memoryview(payload)  # type: ignore[arg-type]  # an array is a buffer from Python 3.12 on
    while rest:
        count = file.readinto(rest)  # type: ignore[attr-defined]  # a FileIO has it
        if not count:
            raise ValueError("its weights file ended early")
        rest = rest[count:]
    return payload


def _mapped(file: BinaryIO, room: int) -> NDArray[np.uint8]:
    """The rest of the file, as the system has it in its cache; the arrays hold the map, and need no open file."""
    start = file.tell()
    try:
        whole = mmap.mmap(file.fileno(), start + room, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise ValueError("its weights file ended early") from error
    return np.frombuffer(whole, np.uint8, room, start)


def _view(
    payload: NDArray[np.uint8], place: slice, kind: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    array = np.require(payload[place].view(kind).reshape(shape), requirements="A")
    if not _finite(array):
        raise ValueError(_NOT_FINITE)
    array.flags.writeable = False
    return array


def _finite(array: NDArray[Any]) -> bool:
    flat = array.reshape(-1)
    return all(np.isfinite(flat[i : i + _LOOKED_AT]).all() for i in range(0, flat.size, _LOOKED_AT))
