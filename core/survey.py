"""What two sweeps over training rows tell of their columns: the columns of an encoding."""

from collections.abc import Collection, Iterable, Iterator

import numpy as np

from core.arrays import Array
from core.columns import CategoricalColumn, Codes, Column, NumericColumn, RawColumns, VectorColumn
from core.spread import Gauge

MOST_SINGLE = 100  # categories of which none occurs twice that a column may have


class Survey:
    """Of rows that may come in parts with the same columns each: `look` at every part, then `weigh` every part."""

    def __init__(self, like: RawColumns) -> None:
        self._names = tuple(like)
        self._words = {name: raw.vocabulary for name, raw in like.items() if isinstance(raw, Codes)}
        self._counts = {name: np.zeros(len(words), np.int64) for name, words in self._words.items()}
        numbers = {name: _numbers(name, raw) for name, raw in like.items() if not isinstance(raw, Codes)}
        alone = tuple(name for name, raw in numbers.items() if raw.ndim == 1)
        groups = [(name,) for name, raw in numbers.items() if raw.ndim == 2]
        self._gauges = {
            group: Gauge(sum(int(np.prod(numbers[name].shape[1:])) for name in group))
            for group in [alone, *groups]
            if group
        }
        self._alone = alone

    def look(self, part: RawColumns) -> None:
        """First sweep. Raises KeyError for a column that is not there; what is in them, `check` looks at."""
        for name, words in self._words.items():
            codes = part[name].codes  # type: ignore[union-attr]
            self._counts[name] += np.bincount(codes[codes >= 0], minlength=len(words))
        for names, gauge in self._gauges.items():
            gauge.look([np.asarray(part[name]) for name in names])

    def weigh(self, part: RawColumns) -> None:
        """Second sweep."""
        for names, gauge in self._gauges.items():
            gauge.weigh([np.asarray(part[name]) for name in names])

    def check(self) -> None:
        """After the first sweep: raises ValueError for an infinity."""
        for names, gauge in self._gauges.items():
            if gauge.infinite.any():
                name = names[int(gauge.infinite.argmax())] if names is self._alone else names[0]
                raise ValueError(f"column {name!r}: numbers must be finite, got an infinity")

    def columns(self, booleans: Collection[str], most: int) -> tuple[Column, ...]:
        """After both: the columns as they came. most: categories that a column keeps, the most frequent."""
        found: dict[str, Column] = {
            name: CategoricalColumn(
                name=name, categories=_frequent(counts, self._words[name], most), boolean=name in booleans
            )
            for name, counts in self._counts.items()
        }
        for names, gauge in self._gauges.items():
            if names is self._alone:
                for name, mean, scale, gaps in zip(names, *gauge.spreads(), gauge.missing, strict=True):
                    found[name] = NumericColumn(
                        name=name, mean=float(mean), scale=float(scale), indicator=bool(gaps)
                    )
            else:
                found[names[0]] = VectorColumn(name=names[0], **gauge.shared()._asdict())
        return tuple(found[name] for name in self._names)


def survey(parts: Iterable[RawColumns]) -> Survey:
    """Of all parts, which are gone through twice.

    Raises ValueError for an iterator, where there is no row, for columns of unequal lengths, and for an infinity.
    """
    if isinstance(parts, Iterator):
        raise ValueError("parts must be such as can be gone through twice, got an iterator")
    found: Survey | None = None
    for part in parts:
        if length(part):
            found = found or Survey(part)
            found.look(part)
    if found is None:
        raise ValueError("an encoding needs at least one row to be fitted on, got none")
    found.check()
    for part in parts:
        if length(part):
            found.weigh(part)
    return found


def length(columns: RawColumns) -> int:
    """How many rows these columns have. Raises ValueError for unequal lengths, or no column."""
    lengths = {len(raw.codes) if isinstance(raw, Codes) else len(raw) for raw in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"columns must be at least one and all of one length, got lengths {sorted(lengths)}")
    return lengths.pop()


def _numbers(name: str, raw: Array) -> Array:
    if raw.dtype.kind not in "fiub" or raw.ndim not in (1, 2):
        raise ValueError(
            f"column {name!r} must be (m,) or (m, d) real numbers or Codes, got {raw.dtype} {raw.shape}"
        )
    return raw


def _frequent(counts: Array, words: tuple[str, ...], most: int) -> tuple[str, ...]:
    if len(words) > MOST_SINGLE and counts.max(initial=0) <= 1:
        return ()  # an identifier: who has learned it by heart has learned nothing
    frequent = sorted(np.flatnonzero(counts), key=lambda code: (-counts[code], words[code]))[:most]
    return tuple(sorted(words[code] for code in frequent))
