"""The distribution of the rows that a model was trained on, column by column, and how far other rows are from it.

A column is looked at through one trait, or two if it is a vector: the number, the category, the mean and the norm of
the elements. A trait is counted over a few bins, the last of them for what is missing. Numbers are taken as float32:
they then are in the same bin however they were sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from core.arrays import Array
from core.columns import CategoricalColumn, Codes, Encoding, RawColumn, RawColumns, VectorColumn

MOST_COLUMNS = 1000  # the first in the schema's order
QUANTILES = 10
CATEGORIES = 20
# Training rows for each bin: where nothing has drifted, the index of n rows is about bins/n.
LEAST_IN_BIN = 30
PRIOR = 0.5  # rows that every bin has before it is counted (Jeffreys), so that an empty one is no infinity

CHUNK = 1 << 20  # numbers of vectors looked at at a time, in float64

_VECTOR = ("mean", "norm")
_LARGEST = np.finfo(np.float32).max
_WRITTEN = float(str(_LARGEST))  # as JSON has it


@dataclass(frozen=True, kw_only=True, eq=False)
class Trait:
    """`counts` of training rows by bin. With edges e, bin i holds the numbers of (e_{i−1}, e_i]; with categories, one
    of them, and the last but one all others. The last bin holds what is missing."""

    column: str
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] | None = None
    of: str | None = None  # "mean" or "norm" of a vector

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The bin of each category."""
        return {word: place for place, word in enumerate(self.categories or ())}


Counts: TypeAlias = Array
"""(traits, bins) float64: of each trait the bins of its numbers, zeros, and in the last place what is missing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """The traits of the profiled columns, in the schema's order."""

    traits: tuple[Trait, ...]

    @cached_property
    def expected(self) -> Counts:
        """The training rows."""
        counts = np.zeros((len(self.traits), self._bins))
        for row, trait in zip(counts, self.traits, strict=True):
            row[: len(trait.counts) - 1] = trait.counts[:-1]
            row[-1] = trait.counts[-1]
        return counts

    @cached_property
    def edges(self) -> Array:
        """(traits, most edges) float32, filled up with infinity."""
        edges = np.full((len(self.traits), self._bins - 2), np.inf, np.float32)
        for row, trait in zip(edges, self.traits, strict=True):
            row[: len(trait.edges)] = trait.edges
        return edges

    @cached_property
    def _bins(self) -> int:
        return max(len(trait.counts) for trait in self.traits)

    @cached_property
    def _own(self) -> Array:
        """(traits, bins) bool: the bins that each trait has."""
        own = np.arange(self._bins) < np.array([[len(trait.counts) - 1] for trait in self.traits])
        own[:, -1] = True
        return own

    def count(self, rows: Array | RawColumns) -> Counts:
        """The bins of m rows: columns by name, or (m, d) numbers of all-numeric columns or of a single vector."""
        if not isinstance(rows, np.ndarray):
            found = [self._bins_of(trait, rows[trait.column]) for trait in self.traits]
            places = np.array(found, dtype=np.intp).T
        elif self.traits[0].of is not None:
            return self.count({self.traits[0].column: rows})
        else:
            places = self._binned(rows[:, : len(self.traits)], self.edges)
        shifted = places + np.arange(len(self.traits)) * self._bins
        flat = np.bincount(shifted.ravel(), minlength=self.expected.size)
        return flat.reshape(self.expected.shape).astype(np.float64)

    def drift(self, counts: Counts) -> dict[str, float]:
        """The index of every profiled column; of a vector the larger of its two."""
        own = self._own
        indices = index(self.expected, counts, own)
        found: dict[str, float] = {}
        for trait, each in zip(self.traits, indices.tolist(), strict=True):
            found[trait.column] = max(each, found.get(trait.column, 0.0))
        return found

    def _bins_of(self, trait: Trait, raw: RawColumn) -> Array:
        if isinstance(raw, Codes):
            other = len(trait.counts) - 2
            table = [*(trait.places.get(word, other) for word in raw.vocabulary), self._bins - 1]
            places: Array = np.array(table, dtype=np.intp)[raw.codes]
            return places
        edges = np.array(trait.edges, np.float32)
        return self._binned(_values(raw, trait.of)[:, None], edges[None])[:, 0]

    def _binned(self, values: Array, edges: Array) -> Array:
        """(m, t) numbers and (t, edges) → (m, t) bins."""
        x = _single(values)
        places: Array = (x[:, :, None] > edges).sum(axis=2)
        places[np.isnan(x)] = self._bins - 1
        return places


def index(expected: Array, counts: Array, own: Array) -> Array:
    """The population stability index of each of t traits: Σ_b (q_b − p_b) ln(q_b/p_b), from 0.

    p and q are the parts of the rows in each bin, with `PRIOR` rows more in every bin. (t, bins) counts of both; own:
    which bins a trait has. It is the symmetric Kullback-Leibler divergence (Jeffreys 1946, Siddiqi 2006, Credit Risk
    Scorecards); where nothing has drifted, about χ²_{B−1} (1/n + 1/m) for n and m rows in B bins (Yurdakul 2018).
    """
    p, q = (np.where(own, rows + PRIOR, 0.0) for rows in (expected, counts))
    p /= p.sum(axis=1, keepdims=True)
    q /= q.sum(axis=1, keepdims=True)
    ratio = np.divide(q, p, out=np.ones_like(q), where=own)
    total: Array = ((q - p) * np.log(ratio)).sum(axis=1)
    return total


def measure(columns: RawColumns) -> Profile:
    """The profile of these rows, for the first `MOST_COLUMNS` columns; at least one column and one row.

    The rows should be at most some ten thousand: what is kept of them are quantiles.
    """
    chosen = list(columns.items())[:MOST_COLUMNS]
    return Profile(traits=tuple(trait for name, raw in chosen for trait in _measure(name, raw)))


def fits(profile: Profile, encoding: Encoding) -> bool:
    """Whether these are the traits of the columns of an encoding, in its order."""
    expected = [
        (column.name, of, isinstance(column, CategoricalColumn))
        for column in encoding.columns[:MOST_COLUMNS]
        for of in (_VECTOR if isinstance(column, VectorColumn) else (None,))
    ]
    return expected == [(trait.column, trait.of, trait.categories is not None) for trait in profile.traits]


def to_dict(profile: Profile) -> dict[str, Any]:
    """Plain JSON values, from which `from_dict` makes the same profile."""
    return {"traits": [_plain(trait) for trait in profile.traits]}


def from_dict(plain: object) -> Profile:
    """The profile that `to_dict` described; ValueError for anything else."""
    described = plain.get("traits") if isinstance(plain, Mapping) else None
    if not isinstance(described, list) or not 0 < len(described) <= 2 * MOST_COLUMNS:
        raise ValueError("a profile must have a list of traits")
    return Profile(traits=tuple(map(_trait, described)))


def _measure(name: str, raw: RawColumn) -> list[Trait]:
    if isinstance(raw, Codes):
        return [_categorical(name, raw)]
    return [_numeric(name, _values(raw, of), of) for of in (_VECTOR if raw.ndim == 2 else (None,))]


def _values(raw: Array, of: str | None) -> Array:
    """(m,) numbers: those of a column, or what a trait makes of (m, d) vectors, missing elements left out."""
    if of is None:
        return raw
    step = max(1, CHUNK // max(1, raw.shape[1]))
    parts = [_reduced(raw[start : start + step], of) for start in range(0, len(raw), step)]
    return np.concatenate(parts) if parts else np.empty(0)


def _reduced(vectors: Array, of: str) -> Array:
    x = vectors.astype(np.float64)
    there = ~np.isnan(x)
    seen = there.sum(axis=1)
    x[~there] = 0
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        mean: Array = (x if of == "mean" else x * x).sum(axis=1) / np.where(seen, seen, np.nan)
        return mean if of == "mean" else np.asarray(np.sqrt(mean))


def _single(values: Array) -> Array:
    """As float32, what is beyond it set to its largest number."""
    with np.errstate(over="ignore", under="ignore"):
        return np.clip(values.astype(np.float32), -_LARGEST, _LARGEST)


def _numeric(name: str, values: Array, of: str | None) -> Trait:
    x = _single(values)
    x = np.sort(x[~np.isnan(x)])
    edges = _edges(x)
    places = np.searchsorted(edges, x, side="left")  # as many edges as are below
    counts = np.bincount(places, minlength=len(edges) + 1).tolist()
    shortest = tuple(float(str(edge)) for edge in edges)
    return Trait(column=name, counts=(*counts, len(values) - len(x)), edges=shortest, of=of)


def _edges(x: Array) -> Array:
    """Quantiles of sorted numbers; a number that is several of them at once gets a bin of its own.

    There are fewer where there are few numbers, so that every bin may hold `LEAST_IN_BIN`.
    """
    bins = min(QUANTILES, len(x) // LEAST_IN_BIN)
    if bins < 2:
        return x[:0]
    quantiles = x[(np.arange(1, bins) * len(x) - 1) // bins]
    again = quantiles[1:][quantiles[1:] == quantiles[:-1]]
    with np.errstate(over="ignore", under="ignore"):
        below = np.nextafter(again, np.float32(-np.inf))
    edges: Array = np.unique(np.concatenate([quantiles, below[np.isfinite(below)]]))
    return edges


def _categorical(name: str, raw: Codes) -> Trait:
    counts = np.bincount(raw.codes[raw.codes >= 0], minlength=len(raw.vocabulary))
    most = min(CATEGORIES, max(1, len(raw.codes) // LEAST_IN_BIN))
    kept = sorted(np.flatnonzero(counts), key=lambda code: (-counts[code], raw.vocabulary[code]))[:most]
    own = [int(counts[code]) for code in kept]
    missing = int((raw.codes < 0).sum())
    rest = len(raw.codes) - missing - sum(own)
    words = tuple(raw.vocabulary[code] for code in kept)
    return Trait(column=name, counts=(*own, rest, missing), categories=words)


def _plain(trait: Trait) -> dict[str, Any]:
    plain: dict[str, Any] = {"column": trait.column, "counts": list(trait.counts)}
    if trait.categories is not None:
        return plain | {"categories": list(trait.categories)}
    return plain | {"edges": list(trait.edges)} | ({} if trait.of is None else {"of": trait.of})


def _trait(value: object) -> Trait:
    if not isinstance(value, Mapping) or not isinstance(value.get("column"), str):
        raise ValueError("a trait must be an object with a column")
    counts, edges = _numbers(value.get("counts"), int), _numbers(value.get("edges", []), int, float)
    words, of = value.get("categories"), value.get("of")
    if not counts or min(counts) < 0 or not 0 < sum(counts) < 2**53:
        raise ValueError("counts must be whole numbers from 0")
    if not all(a < b for a, b in pairwise(edges)) or not all(abs(edge) <= _WRITTEN for edge in edges):
        raise ValueError("edges must be ascending numbers of float32")
    if words is not None and not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise ValueError("categories must be strings")
    if len(counts) != len(edges if words is None else words) + 2 or of not in (None, *_VECTOR):
        raise ValueError("there must be a count for every bin")
    categories = None if words is None else tuple(words)
    return Trait(column=value["column"], counts=counts, edges=edges, categories=categories, of=of)


def _numbers(values: object, *types: type) -> tuple[Any, ...]:
    if not isinstance(values, list) or len(values) > 200 or any(type(value) not in types for value in values):
        raise ValueError("counts and edges must be lists of numbers, not many")
    return tuple(values)
