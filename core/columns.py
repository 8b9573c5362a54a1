"""The columns of a schema and how each is encoded: what travels with a model, and its plain JSON form."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from core.arrays import Array
from core.spread import Spread

MOST_BINS = 64  # of a numeric column
LEAST_KNOTS = 3  # of one that has any: a single bin says nothing that the number does not


class Codes(NamedTuple):
    """A raw categorical column: (m,) int32 codes into `vocabulary`, −1 where the value is missing."""

    codes: Array
    vocabulary: tuple[str, ...]


RawColumn: TypeAlias = Array | Codes
"""Numeric: (m,) of any real dtype; vector: (m, d) of any real dtype; NaN is missing. Categorical: Codes."""
RawColumns: TypeAlias = Mapping[str, RawColumn]


@dataclass(frozen=True, kw_only=True)
class NumericColumn:
    """Becomes (value − mean)/scale, 0 if missing; with `indicator` also a feature that is 1 if missing; and with
    knots, one for each bin between two of them: how far through it the value is, from −½ to ½ (the piecewise linear
    encoding of Gorishniy et al. 2022, less ½). knots: none or at least 3, ascending, of (value − mean)/scale.
    """

    name: str
    mean: float
    scale: float
    indicator: bool = False
    knots: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        return 1 + self.indicator + self.bins

    @property
    def bins(self) -> int:
        return max(len(self.knots) - 1, 0)

    def moved(self, to: "NumericColumn", standardised: Array) -> Array:
        """Numbers that this column has standardised, as the other one would have."""
        with np.errstate(over="ignore", under="ignore"):
            moved: Array = standardised * (self.scale / to.scale) + (self.mean - to.mean) / to.scale
            return np.nan_to_num(moved)

    def passed(self, standardised: npt.ArrayLike) -> Array:
        """(…,) float64 numbers → (…, bins): how far through every bin each is."""
        knots = np.array(self.knots)
        return passed(np.asarray(standardised)[..., None], knots[:-1], knots[1:])


@dataclass(frozen=True, kw_only=True)
class CategoricalColumn:
    """Becomes one-hot, with one place more, the last, for missing, unseen and rare categories."""

    name: str
    categories: tuple[str, ...]
    boolean: bool = False

    @property
    def width(self) -> int:
        return len(self.categories) + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorColumn:
    """Becomes (value − mean)/scale by element, 0 if missing. mean, scale: (d,) float64."""

    name: str
    mean: Array
    scale: Array

    @property
    def width(self) -> int:
        return len(self.mean)


Column: TypeAlias = NumericColumn | CategoricalColumn | VectorColumn


class Bins(NamedTuple):
    """b bins of numbers: whose each is (`of`), where it begins and ends, and its feature (`places`). All (b,)."""

    of: Array
    low: Array
    high: Array
    places: Array


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """The columns in the schema's order, and how each of them is encoded."""

    columns: tuple[Column, ...]

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """For each column, the encoded features that it became."""
        ends = np.cumsum([column.width for column in self.columns]).tolist()
        return tuple(slice(end - column.width, end) for end, column in zip(ends, self.columns, strict=True))

    @cached_property
    def width(self) -> int:
        """Features that the network sees."""
        return sum(column.width for column in self.columns)

    @cached_property
    def inputs(self) -> int | None:
        """Columns of the plain matrix a client may send: all numeric, or one vector; else None."""
        if all(isinstance(column, NumericColumn) for column in self.columns):
            return len(self.columns)
        only = self.columns[0]
        return only.width if len(self.columns) == 1 and isinstance(only, VectorColumn) else None

    @cached_property
    def numbers(self) -> tuple[tuple[NumericColumn, slice], ...]:
        """The numeric columns, and the encoded features of each."""
        both = zip(self.columns, self.slices, strict=True)
        return tuple((column, part) for column, part in both if isinstance(column, NumericColumn))

    @cached_property
    def spread(self) -> Spread:
        """mean and scale of every numeric column, or of the elements of an only vector."""
        columns = [column for column, _ in self.numbers] or self.columns[:1]
        return Spread(*(np.hstack([getattr(each, name) for each in columns]) for name in Spread._fields))

    @cached_property
    def places(self) -> Array:
        """The feature that each numeric column becomes, before its indicator and its bins."""
        return np.array([part.start for _, part in self.numbers], np.intp)

    @cached_property
    def indicated(self) -> Array:
        """Those of the numeric columns, by number, that have an indicator."""
        return np.flatnonzero([column.indicator for column, _ in self.numbers])

    @cached_property
    def bins(self) -> "Bins":
        """Those of all numeric columns."""
        each = [
            Bins(
                np.full(column.bins, number),
                np.array(column.knots[:-1]),
                np.array(column.knots[1:]),
                np.arange(part.stop - column.bins, part.stop),
            )
            for number, (column, part) in enumerate(self.numbers)
        ]
        return (
            Bins(*map(np.concatenate, zip(*each, strict=True))) if each else Bins(*[np.empty(0, np.intp)] * 4)
        )

    @cached_property
    def origin(self) -> Array:
        """(width,) what a row becomes whose numbers are all the mean, and whose categories are none at all."""
        origin = np.zeros(self.width)
        origin[self.bins.places] = passed(np.zeros(len(self.bins.places)), self.bins.low, self.bins.high)
        return origin


def passed(numbers: Array, low: Array, high: Array) -> Array:
    """How far each number is through a bin: −½ up to `low`, ½ from `high` on, and on a straight line between."""
    with np.errstate(over="ignore", under="ignore"):
        part: Array = numbers - low
        part /= high - low
    np.clip(part, 0.0, 1.0, out=part)
    part -= 0.5
    return part


def to_dict(encoding: Encoding) -> dict[str, Any]:
    """Plain JSON values, from which `from_dict` makes the same encoding to the bit."""
    return {"columns": [_describe(column) for column in encoding.columns]}


def from_dict(plain: Mapping[str, Any]) -> Encoding:
    """The encoding that `to_dict` described; ValueError, naming the place, for anything else."""
    described = plain.get("columns") if isinstance(plain, Mapping) else None
    if not isinstance(described, list) or not described:
        raise ValueError("an encoding must be an object with a non-empty list of columns")
    columns = tuple(_column(value, f"columns[{place}]") for place, value in enumerate(described))
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise ValueError("columns: names must differ")
    return Encoding(columns=columns)


def _describe(column: Column) -> dict[str, Any]:
    if isinstance(column, CategoricalColumn):
        return {
            "name": column.name,
            "type": "categorical",
            "categories": list(column.categories),
            "boolean": column.boolean,
        }
    if isinstance(column, VectorColumn):
        mean, scale = column.mean.tolist(), column.scale.tolist()
        return {"name": column.name, "type": "vector", "mean": mean, "scale": scale}
    described = {
        "name": column.name,
        "type": "numeric",
        "mean": column.mean,
        "scale": column.scale,
        "indicator": column.indicator,
    }
    return described | ({"knots": list(column.knots)} if column.knots else {})


def _column(value: object, place: str) -> Column:
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ValueError(f"{place} must be an object with a name")
    name, kind = value["name"], value.get("type")
    if kind == "categorical":
        return CategoricalColumn(
            name=name,
            categories=_words(value.get("categories"), place),
            boolean=_flag(value, "boolean", place),
        )
    if kind not in ("numeric", "vector"):
        raise ValueError(f"{place}.type must be numeric, categorical or vector, got {kind!r}")
    mean, scale = (value.get(key) if kind == "vector" else [value.get(key)] for key in ("mean", "scale"))
    means, scales = _numbers(mean, f"{place}.mean"), _numbers(scale, f"{place}.scale")
    if len(means) != len(scales) or min(scales) <= 0:
        raise ValueError(f"{place} must have as many scales as means, all above 0")
    if kind == "vector":
        return VectorColumn(name=name, mean=np.array(means), scale=np.array(scales))
    return NumericColumn(
        name=name,
        mean=means[0],
        scale=scales[0],
        indicator=_flag(value, "indicator", place),
        knots=_knots(value["knots"], f"{place}.knots") if "knots" in value else (),
    )


def _knots(values: object, place: str) -> tuple[float, ...]:
    knots = _numbers(values, place)
    if not LEAST_KNOTS <= len(knots) <= MOST_BINS + 1 or any(a >= b for a, b in pairwise(knots)):
        raise ValueError(f"{place} must be {LEAST_KNOTS} to {MOST_BINS + 1} ascending numbers")
    return tuple(knots)


def _numbers(values: object, place: str) -> list[float]:
    right = isinstance(values, Sequence) and values and all(type(value) in (int, float) for value in values)
    if not right or not all(map(math.isfinite, values)):  # type: ignore[call-overload]
        raise ValueError(f"{place} must be finite numbers")
    return [float(value) for value in values]  # type: ignore[attr-defined]


def _words(values: object, place: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{place}.categories must be a list of strings")
    if any(a >= b for a, b in pairwise(values)):
        raise ValueError(f"{place}.categories must be sorted and differ")
    return tuple(values)


def _flag(value: Mapping[str, Any], key: str, place: str) -> bool:
    flag = value.get(key)
    if not isinstance(flag, bool):
        raise ValueError(f"{place}.{key} must be true or false, got {flag!r}")
    return flag


def take(columns: RawColumns, rows: Array | slice) -> RawColumns:
    """Some rows of raw columns: of these numbers, in the order given, or of a slice, as views."""
    return {
        name: Codes(column.codes[rows], column.vocabulary) if isinstance(column, Codes) else column[rows]
        for name, column in columns.items()
    }
