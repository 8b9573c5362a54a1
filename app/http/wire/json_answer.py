"""JSON answers: `{"model", "version", "classes", "labels", "probabilities" or "top"}`, explained if asked for."""

from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from app.http.wire.answer import Answer, Explanation
from app.repository.model import Class
from core import inference
from core.arrays import Array
from core.encoding import VectorColumn

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
FAR_MOVED = 500.0  # contributions to a logit, in all, that float32 would no longer add up within 1e-4


def write(answer: Answer) -> bytes:
    """The answer as JSON, its numbers the shortest that read back as the same float32."""
    kind = type(answer.classes[0]).__name__
    opening, labels = _wording(answer.model, answer.version, answer.classes, kind)
    parts = [opening, b",".join(map(labels.__getitem__, answer.winners))]
    if answer.top_k is None:
        probabilities = np.ascontiguousarray(answer.probabilities)
        parts += (b'],"probabilities":', orjson.dumps(probabilities, option=_NUMPY))
    else:
        parts += (b'],"top":', _json(_top(answer, answer.top_k)))
    if answer.explanation is not None:
        parts += (b',"explanations":', _json(_explanations(answer.explanation)))
        parts += (b',"explained":', _json(_explained(answer, answer.explanation)))
    parts.append(b"}")
    return b"".join(parts)


@lru_cache(maxsize=64)
def _wording(
    model: str, version: int, classes: tuple[Class, ...], kind: str
) -> tuple[bytes, tuple[bytes, ...]]:
    """What all answers of a version begin with, up to the first label; and each class as JSON.

    kind: of the classes, for True and 1 are equal.
    """
    del kind
    said = _json({"model": model, "version": version, "classes": classes, "labels": []})
    return said.removesuffix(b"]}"), tuple(map(_json, classes))


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=_NUMPY)


def _top(answer: Answer, most: int) -> list[list[dict[str, Any]]]:
    """The likeliest classes of each row, at most `most`."""
    top = inference.top(answer.probabilities, most)
    return [
        [{"label": answer.classes[k], "probability": p} for k, p in zip(places, ps, strict=True)]
        for places, ps in zip(top.places.tolist(), top.probabilities, strict=True)
    ]


def _explanations(explanation: Explanation) -> list[dict[str, Any]]:
    """By row, each column's contribution: a number, or for a vector column a number for each element."""
    encoding, found = explanation
    moved = np.abs(found.contributions).sum(axis=1).max(initial=0)
    kind = np.float32 if moved < FAR_MOVED else np.float64
    columns = [
        _contribution(found.contributions[:, part], isinstance(column, VectorColumn), kind)
        for column, part in zip(encoding.columns, encoding.slices, strict=True)
    ]
    names = [column.name for column in encoding.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _explained(answer: Answer, explanation: Explanation) -> list[dict[str, Any]]:
    """By row, what the contributions explain: the winner's logit, which is its baseline and their sum."""
    found = explanation.of_features
    numbers = zip(answer.labels, found.baseline.tolist(), found.logits.tolist(), strict=True)
    return [{"label": label, "baseline": start, "logit": end} for label, start, end in numbers]


def _contribution(part: Array, by_element: bool, kind: type[np.floating[Any]]) -> Array:
    return np.ascontiguousarray(part if by_element else part.sum(axis=1), dtype=kind)
