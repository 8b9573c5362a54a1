"""What an inference request asks: tensors in, and which outputs to write how."""

import math
from dataclasses import dataclass

from app.errors import Unreadable
from app.http.oip.body import Body
from app.http.oip.datatypes import Datatype, datatype
from app.http.oip.fields import Fields, fields, flag, objects, optional_text, text, whole
from app.http.oip.tensor import Tensor
from app.http.wire.json_document import JSONArray, Parser, describe, has_brackets, parse
from app.http.wire.problems import shown, wrong

_MOST_WISHES = 100
_MOST_DIMENSIONS = 32


@dataclass(frozen=True, kw_only=True)
class Wish:
    """An output to be written: as binary data or as JSON, whole or as its `classification` highest classes."""

    name: str
    binary: bool
    classification: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Ask:
    """`outputs` is None where the request leaves them to the server; then `binary` says how all are written.

    `regular`: the JSON has no more brackets than its shapes ask for, so that no list hides within a row.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Wish, ...] | None = None
    binary: bool = False
    id: str | None = None
    regular: bool = False


def read(body: Body, parser: Parser | None, *, most_inputs: int = _MOST_WISHES) -> Ask:
    """The request in a body that has a head. Raises: Unreadable, Invalid."""
    head = body.head or b""
    document = fields(_document(head, body.blobs, parser), "the request")
    binary = bool(flag(fields(document.get("parameters"), "parameters"), "binary_data_output", "parameters"))
    inputs = _tensors(objects(document, "inputs", most=most_inputs), body.blobs)
    brackets = 1 + (document.get("outputs") is not None) + sum(map(_brackets, inputs))
    return Ask(
        id=optional_text(document, "id", "the request"),
        inputs=inputs,
        outputs=_wishes(objects(document, "outputs", most=_MOST_WISHES), binary) or None,
        binary=binary,
        regular=any(isinstance(each.data, JSONArray) for each in inputs) and has_brackets(head, brackets),
    )


def _document(head: bytes, blobs: memoryview, parser: Parser | None) -> object:
    try:
        document = parse(head, parser)
    except Unreadable:
        if blobs or b"binary_data_size" not in head:
            raise
        reason = "binary data follows it, and no Inference-Header-Content-Length says where that begins"
        raise Unreadable(what="The JSON body", reason=reason) from None
    if document is None:
        raise wrong("the request: expected an object, got null")
    return document


def _wishes(outputs: list[Fields], binary: bool) -> tuple[Wish, ...]:
    wishes: dict[str, Wish] = {}
    for number, found in enumerate(outputs):
        place = f"outputs[{number}]"
        name = text(found, "name", place)
        if name in wishes:
            raise wrong(f"{place}: output {shown(name)} is asked for twice")
        parameters = fields(found.get("parameters"), f"{place}.parameters")
        if parameters.get("shared_memory_region") is not None:
            raise wrong(f"{place}: there is no shared memory here; outputs come in the answer")
        own = flag(parameters, "binary_data", place)
        count = whole(parameters, "classification", place)
        wishes[name] = Wish(name=name, binary=binary if own is None else own, classification=count or None)
    return tuple(wishes.values())


# the inputs


def _tensors(inputs: list[Fields], blobs: memoryview) -> tuple[Tensor, ...]:
    tensors, at = [], 0
    for number, found in enumerate(inputs):
        tensor = _tensor(found, f"inputs[{number}]", blobs[at:])
        at += len(tensor.blob or b"")
        tensors.append(tensor)
    if at != len(blobs):
        raise wrong(f"unexpected additional input data: {len(blobs) - at} bytes follow the last input's")
    return tuple(tensors)


def _tensor(found: Fields, place: str, blobs: memoryview) -> Tensor:
    """The input; if its data is binary, that is what `blobs` begins with."""
    name = text(found, "name", place)
    place = f"input {shown(name)}"
    kind, shape = datatype(found.get("datatype"), place), _shape(found.get("shape"), place)
    parameters = fields(found.get("parameters"), f"{place}: parameters")
    size, data = whole(parameters, "binary_data_size", place), found.get("data")
    if data is None:
        if parameters.get("shared_memory_region") is not None:
            raise wrong(f"{place}: there is no shared memory here; send 'data' or binary data")
        end = _binary_size(size, kind, shape, place, blobs)
        return Tensor(name=name, datatype=kind, shape=shape, blob=blobs[:end])
    if not isinstance(data, JSONArray | list):
        raise wrong(f"{place}: expected 'data' to be a list, got {describe(data)}")
    if size is not None:
        raise wrong(f"{place}: has both 'data' and 'binary_data_size'; send one of them")
    return Tensor(name=name, datatype=kind, shape=shape, data=data)


def _binary_size(
    said: int | None, kind: Datatype, shape: tuple[int, ...], place: str, blobs: memoryview
) -> int:
    """Bytes of the input's binary data: as many as it says, or else as shape and datatype ask for."""
    size = said
    if size is None:
        if kind.stored is None or not blobs:
            raise wrong(f"{place}: has neither 'data' nor the parameter 'binary_data_size'")
        size = math.prod(shape) * kind.stored.itemsize
    if size > len(blobs):
        more = size - len(blobs)
        raise wrong(
            f"unexpected size for {place}, expecting {more if more < 1 << 63 else 'far too many'} additional bytes"
        )
    return size


def _shape(found: object, place: str) -> tuple[int, ...]:
    if not isinstance(found, JSONArray | list):
        raise wrong(f"{place}: expected 'shape' to be a list of sizes, got {describe(found)}")
    if len(found) > _MOST_DIMENSIONS:
        raise wrong(f"{place}: expected 'shape' to have few dimensions, got {len(found)}")
    sizes = tuple(found)
    for number, size in enumerate(sizes):
        if type(size) is not int or size < 0:
            raise wrong(
                f"{place}: expected 'shape' to be whole numbers from 0, got {describe(size)} at {number}"
            )
    return sizes


def _brackets(tensor: Tensor) -> int:
    """The `[` that an input takes: of its shape, of its data, and of each row in that."""
    rows = len(tensor.data) if tensor.data is not None and tensor.nested else 0
    return 1 + (tensor.data is not None) + rows
