"""The card of a version (model.json): made from a model, and read back without trusting a byte of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.repository.model import Class, Model
from core import encoding as encodings
from core import network
from core.encoding import Column, Encoding, NumericColumn, VectorColumn

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What a card says about the network, checked to be consistent in itself."""

    sizes: tuple[int, ...]
    classes: tuple[Class, ...]
    temperature: float
    encoding: Encoding

    @property
    def parameters(self) -> int:
        """How many numbers the weights are."""
        return network.count(self.sizes)


def to_bytes(model: Model, *, created_at: str) -> bytes:
    """The text of model.json: the model's card, and what the model itself knows better than its card.

    Raises ValueError with the reason if the card cannot be written as JSON.
    """
    card = {
        "created_at": created_at,
        **model.card,
        "format": FORMAT,
        "name": model.name,
        "version": model.version,
        "classes": list(model.classes),
        "sizes": list(model.sizes),
        "temperature": float(model.temperature),
        "encoding": encodings.to_dict(model.encoding),
    }
    try:
        return json.dumps(card, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"its card cannot be written as JSON: {error}") from error


def from_bytes(text: bytes) -> dict[str, Any]:
    """Reads model.json; ValueError with the reason if it is not a card of a format known here."""
    try:
        card = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError("its card is not JSON") from error
    if not isinstance(card, dict):
        raise ValueError("its card is not a JSON object")
    number = card.get("format")
    if type(number) is not int or number < 1:
        raise ValueError("its card says no format")
    if number > FORMAT:
        raise ValueError(f"its card has format {number}, newer than the {FORMAT} known to this server")
    return card


def outline(card: Mapping[str, Any]) -> Outline:
    """What the card says about the network; ValueError with the reason if it contradicts itself."""
    sizes, classes = _sizes(card.get("sizes")), _classes(card.get("classes"))
    encoding = _encoding(card.get("encoding"))
    if sizes[0] != encoding.width:
        raise ValueError(f"its network takes {sizes[0]} features and its encoding makes {encoding.width}")
    if sizes[-1] != len(classes):
        raise ValueError(f"its network has {sizes[-1]} outputs and its card {len(classes)} classes")
    return Outline(
        sizes=sizes, classes=classes, encoding=encoding, temperature=_temperature(card.get("temperature"))
    )


def schema(card: Mapping[str, Any]) -> dict[str, Any] | None:
    """The columns of a row, in order, told as a dataset tells its own; None if the card does not say."""
    try:
        encoding = _encoding(card.get("encoding"))
    except ValueError:
        return None
    return {"columns": [_column(column) for column in encoding.columns]}


def _column(column: Column) -> dict[str, Any]:
    if isinstance(column, VectorColumn):
        return {"name": column.name, "type": "vector", "size": column.width}
    if isinstance(column, NumericColumn):
        return {"name": column.name, "type": "numeric"}
    known = {"categories": len(column.categories)}
    return {"name": column.name, "type": "categorical", **known, "boolean": column.boolean}


def _sizes(value: object) -> tuple[int, ...]:
    good = isinstance(value, list) and len(value) >= 2 and all(type(n) is int and n >= 1 for n in value)
    if not good:
        raise ValueError("the sizes on its card are not two or more positive whole numbers")
    return tuple(value)  # type: ignore[arg-type]


def _classes(value: object) -> tuple[Class, ...]:
    if not isinstance(value, list) or not value or type(value[0]) not in (str, int, bool):
        raise ValueError("the classes on its card are not strings, whole numbers or booleans")
    if any(type(label) is not type(value[0]) for label in value):
        raise ValueError("the classes on its card are of different types")
    if len(set(value)) != len(value):
        raise ValueError("a class occurs twice on its card")
    return tuple(value)


def _temperature(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 1e-30 < value < 1e30:
        raise ValueError("the temperature on its card is not a positive number")
    return float(value)


def _encoding(value: object) -> Encoding:
    try:
        if not isinstance(value, dict):
            raise TypeError("it is not a JSON object")
        return encodings.from_dict(value)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"the encoding on its card is wrong: {error}") from error
