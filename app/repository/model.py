"""A trained model in memory: everything that a prediction needs, as one value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from core import profile as profiles
from core.encoding import Encoding, VectorColumn
from core.inference import Folded, fold
from core.network import Params, sizes
from core.profile import Profile

Class = str | int | bool
_UNPACKED = 5  # bytes that Python takes, about, for each of a JSON text


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """One version of a model. `card` is its JSON card, with more about it than serving needs."""

    name: str
    version: int
    parameters: Params
    encoding: Encoding
    classes: tuple[Class, ...]
    temperature: float = 1.0
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Features of the network, hidden units of each layer, classes."""
        return sizes(self.parameters)

    @cached_property
    def folded(self) -> Folded | None:
        """The network for raw rows, where there is one: what most predictions are made with."""
        return fold(self.parameters, self.encoding)

    @cached_property
    def profile(self) -> Profile | None:
        """The distribution of the training rows, if the card tells that of this model's columns."""
        found = profile_in(self.card)
        return found if found is not None and profiles.fits(found, self.encoding) else None

    @property
    def nbytes(self) -> int:
        """Memory that the model holds: weights exactly, the rest by a fair estimate."""
        weights = sum(layer.weight.nbytes + layer.bias.nbytes for layer in self.parameters)
        if self.folded is not None:
            weights += self.folded.layers[0].weight.nbytes
        vectors = [column for column in self.encoding.columns if isinstance(column, VectorColumn)]
        numbers = sum(column.mean.nbytes + column.scale.nbytes for column in vectors)
        return weights + numbers + _UNPACKED * len(orjson.dumps(dict(self.card)))


def profile_in(card: Mapping[str, Any]) -> Profile | None:
    """The profile on a card; None if there is none that can be read: cards of earlier releases have none."""
    try:
        return profiles.from_dict(card.get("profile"))
    except ValueError:
        return None


def part(card: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a card, which may be a stranger's: empty if there is no such part."""
    found = card.get(name)
    return found if isinstance(found, Mapping) else {}


def limit(card: Mapping[str, Any], name: str, default: int) -> int:
    """The limit that was in force when a version was made, as far as its card tells."""
    said = part(card, "lineage").get(name)
    return said if type(said) is int and said > 0 else default


def class_places(classes: Sequence[Class], wanted: Iterable[Class]) -> list[int | None]:
    """For each class wanted, its place among `classes`, or None; True and 1 are different classes."""
    known = {(type(each), each): place for place, each in enumerate(classes)}
    return [known.get((type(each), each)) for each in wanted]
