"""The distinct texts of a categorical column, numbered as they are met, within a bound on memory."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.table import Array, ArrowArray

MOST_VALUES = 65_536
MOST_TEXT = 32 * 1024 * 1024


class TextBudget:
    """Characters of category texts that one dataset may still remember, over all of its columns."""

    def __init__(self, left: int = MOST_TEXT) -> None:
        self.left = left


class Vocabulary:
    """Grows while blocks are encoded. What is first met beyond the bound counts as missing (`full`)."""

    def __init__(self, budget: TextBudget) -> None:
        self.codes: dict[str, int] = {}
        self.full = False
        self._budget = budget

    def encode(self, cells: ArrowArray) -> Array:
        """(m,) text → (m,) int32 codes into the order of `codes`; null and "" → -1."""
        indices, values = distinct(cells)
        table = np.array([*map(self._code, values), -1], dtype=np.int32)
        return table[indices]

    def _code(self, value: str | None) -> int:
        if not value:
            return -1
        code = self.codes.get(value)
        if code is None:
            if len(self.codes) >= MOST_VALUES or self._budget.left < len(value):
                self.full = True
                return -1
            self._budget.left -= len(value)
            code = self.codes[value] = len(self.codes)
        return code

    def settled(self, *, boolean: bool) -> tuple[tuple[str, ...], Array, bool]:
        """The sorted vocabulary, the new code of each old one, and whether the column is boolean.

        A column is boolean if `boolean` allows it and all of its texts are true or false, in any case.
        """
        texts = list(self.codes)
        truth = boolean and bool(texts) and {t.lower() for t in texts} <= {"true", "false"}
        if truth:
            texts = [t.lower() for t in texts]
        final = tuple(sorted(set(texts)))
        place = {text: code for code, text in enumerate(final)}
        return final, np.array([*(place[t] for t in texts), -1], dtype=np.int32), truth


def distinct(cells: ArrowArray) -> tuple[Array, list[Any]]:
    """(m,) cells → (m,) positions into the distinct values, -1 for null; these in order of appearance."""
    if not pa.types.is_dictionary(cells.type):
        met = cells.dictionary_encode()
        return np.asarray(pc.fill_null(met.indices, -1)), met.dictionary.to_pylist()
    met = cells.indices.dictionary_encode()
    return np.asarray(pc.fill_null(met.indices, -1)), cells.dictionary.take(met.dictionary).to_pylist()
