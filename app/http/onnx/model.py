"""A model as an ONNX graph: inputs as in the inference protocol, `core.encoding` and the network, and its answers."""

from importlib.metadata import version
from typing import Any

import numpy as np
import orjson

from app.errors import Conflict
from app.http.oip.signature import LABEL, PROBABILITIES, inputs, label_text
from app.http.onnx import messages
from app.http.onnx.graph import ML, Graph
from app.http.onnx.messages import Kind, Pieces
from app.repository.model import Model
from core.arrays import Array
from core.encoding import FAR, CategoricalColumn, Encoding, NumericColumn

LARGEST = (1 << 31) - 1  # bytes: no Protocol Buffers message, and so no ONNX file, is longer


def write(model: Model, *, exact: bool = False) -> Pieces:
    """The file; its graph takes numbers as float32, or if `exact` as float64. Raises: Conflict, if it is larger."""
    graph = Graph((PROBABILITIES, LABEL))
    features = _features(graph, model.encoding, Kind.DOUBLE if exact else Kind.FLOAT)
    _answers(graph, model, _logits(graph, model, features))
    notes = {"model": f"{model.name}@{model.version}", "classes": orjson.dumps(model.classes).decode()}
    producer = ("neurona", version("neurona"))
    pieces = graph.model(model.name, version=model.version, producer=producer, notes=notes)
    if messages.size(pieces) > LARGEST:
        reason = (
            f"{model.name}@{model.version} is more than an ONNX file can hold, 2 GiB; its weights can be had"
        )
        raise Conflict(reason=reason)
    return pieces


# the encoding, as core.encoding.transform computes it


def _features(graph: Graph, encoding: Encoding, number: Kind) -> str:
    """(rows, width) float32: what the network sees."""
    kinds = {"FP32": number, "BYTES": Kind.STRING}
    taken = [graph.take(port.name, kinds[port.datatype], port.shape) for port in inputs(encoding)]
    if encoding.inputs is not None:
        return _matrix(graph, encoding, taken[0])
    parts: list[str] = []
    for column, name in zip(encoding.columns, taken, strict=True):
        if isinstance(column, CategoricalColumn):
            parts.append(_one_hot(graph, column, name))
            continue
        mean, scale = np.atleast_1d(column.mean), np.atleast_1d(column.scale)
        values, missing = _standardised(graph, name, mean, scale)
        parts.append(_single(graph, values))
        if isinstance(column, NumericColumn) and column.indicator:
            parts.append(_single(graph, missing))
        if isinstance(column, NumericColumn) and column.knots:
            knots = np.array(column.knots)
            parts.append(_passed(graph, name, values, knots[:-1], knots[1:]))
    return graph.add("Concat", *parts, axis=1)


def _matrix(graph: Graph, encoding: Encoding, name: str) -> str:
    """A plain matrix: all values, all indicators and all bins, then each put where the network has it."""
    values, missing = _standardised(graph, name, *encoding.spread)
    if encoding.width == encoding.inputs:
        return _single(graph, values)
    parts, places, bins = [_single(graph, values)], [encoding.places], encoding.bins
    if len(encoding.indicated):
        parts.append(_single(graph, _columns(graph, missing, "indicated", encoding.indicated)))
        places.append(encoding.places[encoding.indicated] + 1)
    if len(bins.of):
        cut = _columns(graph, values, "cut", bins.of)
        parts.append(_passed(graph, name, cut, bins.low, bins.high))
        places.append(bins.places)
    together = graph.add("Concat", *parts, axis=1)
    return _columns(graph, together, "order", np.argsort(np.concatenate(places)))


def _standardised(graph: Graph, name: str, mean: Array, scale: Array) -> tuple[str, str]:
    """(x − mean)/scale in float64, in [−FAR, FAR], 0 where missing; and where that is."""
    missing = graph.add("IsNaN", name)
    number = graph.add("Cast", name, to=Kind.DOUBLE)
    distance = graph.add("Sub", number, graph.constant(f"{name}.mean", mean.astype(np.float64)))
    spreads = graph.add("Div", distance, graph.constant(f"{name}.scale", scale.astype(np.float64)))
    bounds = [graph.constant("far", np.array(bound)) for bound in (-FAR, FAR)]
    near = graph.add("Clip", spreads, *bounds)
    return graph.add("Where", missing, graph.constant("zero", np.zeros(())), near), missing


def _passed(graph: Graph, name: str, values: str, low: Array, high: Array) -> str:
    """How far standardised values are through their bins, as float32: `core.columns.passed`."""
    distance = graph.add("Sub", values, graph.constant(f"{name}.low", low))
    parts = graph.add("Div", distance, graph.constant(f"{name}.bins", high - low))
    bounds = [graph.constant("bin", np.array(bound)) for bound in (0.0, 1.0)]
    return _single(
        graph, graph.add("Sub", graph.add("Clip", parts, *bounds), graph.constant("half", np.array(0.5)))
    )


def _columns(graph: Graph, values: str, name: str, which: Array) -> str:
    return graph.add("Gather", values, graph.constant(name, which.astype(np.int64)), axis=1)


def _single(graph: Graph, values: str) -> str:
    return graph.add("Cast", values, to=Kind.FLOAT)


def _one_hot(graph: Graph, column: CategoricalColumn, name: str) -> str:
    """(rows, 1) texts → (rows, width); what is no category, as the empty text for missing, has the last place."""
    last = len(column.categories)
    texts = list(column.categories) or [""]
    codes = list(range(last)) or [last]
    place = graph.add(
        "LabelEncoder", name, domain=ML, keys_strings=texts, values_int64s=codes, default_int64=last
    )
    places = graph.constant(f"{name}.places", np.arange(last + 1)[None])
    return graph.add("Cast", graph.add("Equal", place, places), to=Kind.FLOAT)


# the network, and what it answers


def _logits(graph: Graph, model: Model, features: str) -> str:
    """(rows, classes) in the dtype of the weights."""
    found = features
    if model.parameters[0].weight.dtype == np.float64:
        found = graph.add("Cast", found, to=Kind.DOUBLE)
    for place, (weight, bias) in enumerate(model.parameters):
        if place:
            found = graph.add("Relu", found)
        layer = (
            graph.constant(f"layers.{place}.weight", weight),
            graph.constant(f"layers.{place}.bias", bias),
        )
        found = graph.add("Gemm", found, *layer)
    return found


def _answers(graph: Graph, model: Model, logits: str) -> None:
    scale = np.asarray(model.temperature, model.parameters[0].weight.dtype)
    scaled = graph.add("Div", logits, graph.constant("temperature", scale))
    shares = graph.add("Softmax", scaled, axis=-1)
    graph.add("Cast", shares, name=PROBABILITIES, to=Kind.FLOAT)
    winner = graph.add("ArgMax", PROBABILITIES, axis=1, keepdims=0)
    kind, labels = _labels(model.classes)
    graph.add("Gather", graph.constant("classes", labels), winner, name=LABEL, axis=0)
    graph.give(PROBABILITIES, Kind.FLOAT, (-1, len(model.classes)))
    graph.give(LABEL, kind, (-1,))


def _labels(classes: tuple[Any, ...]) -> tuple[Kind, Array | list[str]]:
    """Labels as the graph gives them: truths, whole numbers of 64 bits, or texts."""
    if isinstance(classes[0], bool):
        return Kind.BOOL, np.array(classes)
    if isinstance(classes[0], int) and min(classes) >= -(1 << 63) and max(classes) < 1 << 63:
        return Kind.INT64, np.array(classes, np.int64)
    return Kind.STRING, [label_text(label) for label in classes]
