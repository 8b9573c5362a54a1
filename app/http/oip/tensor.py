"""A tensor of a request: what it says of itself, and its elements as they came."""

import math
from dataclasses import dataclass

from app.http.oip.datatypes import Datatype
from app.http.wire.json_document import JSONArray, List
from app.http.wire.problems import shown


@dataclass(frozen=True, kw_only=True, eq=False)
class Tensor:
    """Elements are in `data`, JSON, nested or flat, or in `blob`, binary; one of the two is None."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    data: List | None = None
    blob: memoryview | None = None

    @property
    def size(self) -> int:
        """Elements that the shape asks for."""
        return math.prod(self.shape)

    @property
    def nested(self) -> bool:
        """Whether `data` is a list of rows, to judge by its first element."""
        return bool(self.data) and isinstance(self.data[0], JSONArray | list)  # type: ignore[index]

    @property
    def place(self) -> str:
        """The tensor in a sentence."""
        return f"input {shown(self.name)}"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as JSON writes it, cut to a bearable length."""
    more = ", …" if len(shape) > 8 else ""
    return f"[{', '.join(f'{n:.4g}' if n > 1 << 64 else str(n) for n in shape[:8])}{more}]"
