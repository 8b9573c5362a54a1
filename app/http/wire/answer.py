"""What every format of an answer is written from."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from core.arrays import Array
from core.encoding import Encoding

Label = str | int | bool


class Explanation(NamedTuple):
    """contributions (m, width): of every encoded feature to the winning class of its row."""

    encoding: Encoding
    contributions: Array


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The prediction of one model: probabilities (m, c) float32, finite, C order; rows sum to 1."""

    model: str
    version: int
    classes: tuple[Label, ...]
    probabilities: Array
    top_k: int | None = None
    explanation: Explanation | None = None

    @cached_property
    def labels(self) -> list[Label]:
        """The likeliest class of each row; the first of those that are equally likely."""
        if not len(self.probabilities):
            return []
        return [self.classes[place] for place in self.probabilities.argmax(axis=1).tolist()]
