"""From a prediction to the answer: the outputs that were asked for, as JSON or as binary data behind it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from app.http.oip.ask import Ask, Wish
from app.http.oip.reply import JSON, Reply, plain
from app.http.oip.signature import LABEL, PROBABILITIES, label_text
from app.http.oip.strings import packed
from app.http.wire import compression
from app.http.wire.problems import listed, shown, wrong
from app.serving.predictor import Prediction
from core import inference
from core.arrays import Array


class Output(NamedTuple):
    """`elements`: an array of float32, or texts in row-major order."""

    datatype: str
    shape: tuple[int, ...]
    elements: Array | list[str]


def write(ask: Ask, chosen: tuple[Wish, ...], prediction: Prediction, *, accept_encoding: str = "") -> Reply:
    """The answer to a request, with the outputs that `wishes` found in it."""
    described, blobs = [], list[bytes | memoryview]()
    for wish in chosen:
        output = _output(prediction, wish)
        found: dict[str, Any] = {"name": wish.name, "datatype": output.datatype, "shape": output.shape}
        if wish.binary:
            blobs.append(_binary(output.elements))
            found["parameters"] = {"binary_data_size": memoryview(blobs[-1]).nbytes}
        else:
            found["data"] = output.elements
        described.append(found)
    return _reply(_head(ask, prediction, described), blobs, accept_encoding)


def wishes(ask: Ask) -> tuple[Wish, ...]:
    """The outputs to be written, in their order. Raises: Invalid."""
    if ask.outputs is None:
        return tuple(Wish(name=name, binary=ask.binary) for name in _OUTPUTS)
    for wish in ask.outputs:
        if wish.name not in _OUTPUTS:
            raise wrong(f"there is no output {shown(wish.name)}; the model gives {listed(tuple(_OUTPUTS))}")
        if wish.classification is not None and wish.name != PROBABILITIES:
            raise wrong(f"'classification' is for the output {PROBABILITIES!r}, not for {shown(wish.name)}")
    return ask.outputs


def _head(ask: Ask, prediction: Prediction, described: list[dict[str, Any]]) -> bytes:
    answer: dict[str, Any] = {"model_name": prediction.model, "model_version": str(prediction.version)}
    if ask.id is not None:
        answer["id"] = ask.id
    answer["outputs"] = described
    return plain(answer)


def _reply(head: bytes, blobs: list[bytes | memoryview], accept_encoding: str) -> Reply:
    headers = {"content-type": JSON}
    if blobs:
        headers = {
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(len(head)),
        }
    parts = [head, *blobs]
    encoding = compression.wanted(accept_encoding, sum(memoryview(part).nbytes for part in parts))
    if encoding is not None:
        headers["content-encoding"] = encoding
        return Reply(status=200, headers=headers, body=compression.deflate(parts, encoding))
    return Reply(status=200, headers=headers, body=b"".join(parts) if blobs else head)


# the outputs


def _output(prediction: Prediction, wish: Wish) -> Output:
    if wish.classification is not None:
        return _classification(prediction, wish.classification)
    return _OUTPUTS[wish.name](prediction)


def _probabilities(prediction: Prediction) -> Output:
    found = prediction.probabilities
    return Output("FP32", found.shape, np.ascontiguousarray(found, "<f4").reshape(-1))


def _labels(prediction: Prediction) -> Output:
    winners = prediction.winners.tolist()
    texts = {winner: label_text(prediction.classes[winner]) for winner in set(winners)}
    return Output("BYTES", (len(winners),), [texts[winner] for winner in winners])


_OUTPUTS: Mapping[str, Callable[[Prediction], Output]] = {PROBABILITIES: _probabilities, LABEL: _labels}


def _classification(prediction: Prediction, count: int) -> Output:
    """The `count` highest classes of each row, highest first, as "value:index:label"; all, if there are fewer.

    A value is the shortest text that reads back as the same float32.
    """
    top = inference.top(prediction.probabilities, count)
    values = _shortest(top.probabilities) if top.probabilities.size else []
    places = top.places.reshape(-1).tolist()
    texts = {place: f"{place}:{label_text(prediction.classes[place])}" for place in set(places)}
    elements = [f"{value}:{texts[place]}" for value, place in zip(values, places, strict=True)]
    return Output("BYTES", top.places.shape, elements)


def _shortest(values: Array) -> list[str]:
    return plain(np.ascontiguousarray(values).reshape(-1))[1:-1].decode().split(",")


def _binary(elements: Array | list[str]) -> bytes | memoryview:
    if isinstance(elements, list):
        return packed([text.encode() for text in elements])
    return elements.data
