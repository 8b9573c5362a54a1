"""What every format of an answer is written from."""

from typing import NamedTuple

from app.repository.model import Class
from core import explanation
from core.arrays import Array
from core.encoding import Encoding


class Explanation(NamedTuple):
    """What moved the logit of each row's winning class, and how the schema's columns lie among its features."""

    encoding: Encoding
    of_features: explanation.Explanation


class Answer(NamedTuple):
    """The prediction of one model: probabilities (m, c) float32, finite, C order; rows sum to 1."""

    model: str
    version: int
    classes: tuple[Class, ...]
    probabilities: Array
    top_k: int | None = None
    explanation: Explanation | None = None

    @property
    def winners(self) -> list[int]:
        """The number of the likeliest class of each row; the first of those that are equally likely."""
        places: list[int] = self.probabilities.argmax(axis=1).tolist()
        return places

    @property
    def labels(self) -> list[Class]:
        """The likeliest class of each row."""
        return [self.classes[place] for place in self.winners]
