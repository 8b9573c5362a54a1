"""Rows dealt by what is in them: a row keeps its fold whatever other rows there are, and in whatever order.

So a model that goes on from another one on more rows is judged by rows that neither has learned from.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Array, class_numbers
from core.columns import Codes, RawColumn, RawColumns
from core.splitting import ranked_split
from core.survey import length

CHUNK = 1 << 20  # numbers looked at at a time
# The part of all rows that differ, or of all that columns can say, below which equal rows need looking at.
LIKELY = 0.5
# The part of all rows that have the label of most of their equals: copies all do, and by chance so many do not.
AGREED = 0.99
SAMPLE = 1 << 17  # rows by which is counted what columns can say
# Copies of a row that may follow one of them out of what is learned from, whatever the fraction says.
FEW = 100
_MISSING = 0x9E3779B97F4A7C15


@dataclass(frozen=True, kw_only=True)
class Deal:
    """The rule by which rows are held out.

    folds: how many there are, each held out once; or 1: `fraction` of the rows of each class are held out, for
    good. columns: whose values count. together: whether equal rows are always in the same fold. called: the names
    under which their values count, where columns have got others since the first deal; else empty. clean: whether no
    version dealt so has learned from rows that it is judged by; false from one on that went on from another deal.
    """

    folds: int
    fraction: float
    seed: int
    columns: tuple[str, ...]
    together: bool = True
    called: tuple[str, ...] = ()
    clean: bool = True

    @property
    def names(self) -> dict[str, str]:
        """The columns, each with the name under which its values count."""
        return dict(zip(self.columns, self.called or self.columns, strict=True))

    def renamed(self, before: Mapping[str, str]) -> "Deal":
        """The same rule where columns, by their new names, were called otherwise before."""
        if not before:
            return self
        now = {was: name for name, was in before.items()}
        return replace(
            self,
            columns=tuple(now.get(name, name) for name in self.columns),
            called=tuple(self.names.values()),
        )

    def keeps(self, other: "Deal") -> bool:
        """Whether rows held out by this rule are, but for a few near its edge, none that the other let be learned."""
        ours = (self.folds, self.seed, self.together, set(self.names.values()))
        theirs = (other.folds, other.seed, other.together, set(other.names.values()))
        return ours == theirs and (self.folds > 1 or self.fraction <= other.fraction)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_dict` makes the same rule."""
        return {**vars(self), "columns": list(self.columns), "called": list(self.called)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Deal":
        """The rule that `to_dict` described; ValueError for anything else."""
        try:
            lists = {"columns": tuple(plain["columns"]), "called": tuple(plain.get("called", ()))}
            deal = cls(**{**plain, **lists})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a rule by which rows are held out: {error}") from None
        kinds = {"folds": int, "fraction": float, "seed": int, "together": bool, "clean": bool}
        right = all(type(getattr(deal, name)) is kind for name, kind in kinds.items()) and all(
            isinstance(name, str) for name in (*deal.columns, *deal.called)
        )
        right = right and len(deal.called) in (0, len(deal.columns))
        if not right or deal.folds < 1 or not 0 < deal.fraction < 1 or not deal.columns:
            raise ValueError("not a rule by which rows are held out: values out of their range")
        return deal

    def fold(self, columns: RawColumns, labels: npt.ArrayLike) -> Array:
        """(m,) the fold in which each row is held out, from 0 to folds − 1; −1 for one that never is.

        labels: (m,) integers. With 2 folds or more a function of the row's values, the seed and the number of
        folds, and without `together` also of how many equal rows stand before it. But the single row of a class is
        never held out, and a class that would be wholly in one fold gives a row to the next. With 1 fold those
        rows of each class are held out that are first in an order which the same decides; `together`, where that
        parts copies, all of them are if they are up to 100, and more than that go where most of them are, so that
        at most about twice the fraction is held out. But in a class all of whose rows would be on one side they
        are parted.
        Raises ValueError or KeyError for other columns.
        """
        named = {called: columns[name] for name, called in self.names.items()}
        return self.fold_of(fingerprints(named), labels)

    def fold_of(self, prints: Array, labels: npt.ArrayLike) -> Array:
        """As `fold`, given the fingerprints of these columns."""
        drawn = _drawn(prints if self.together else _mixed(prints + repetitions(prints)), self.seed)
        labels = class_numbers(labels, len(drawn), np.iinfo(np.int64).max)
        if self.folds > 1:
            return _dealt(drawn, labels, self.folds)
        fold = np.full(len(drawn), -1)
        fold[ranked_split(labels, self.fraction, np.argsort(drawn, kind="stable"))[1]] = 0
        return _with_copies(fold, drawn, labels) if self.together else fold


def new_deal(columns: RawColumns, labels: npt.ArrayLike, *, folds: int, fraction: float, seed: int) -> Deal:
    """The rule for rows like these, with these labels. Equal rows stay together where they are copies."""
    return deal_of(
        fingerprints(columns),
        np.asarray(labels),
        tuple(columns),
        sample=lambda: columns,
        folds=folds,
        fraction=fraction,
        seed=seed,
    )


def deal_of(
    prints: Array,
    labels: Array,
    columns: tuple[str, ...],
    *,
    sample: Callable[[], RawColumns],
    folds: int,
    fraction: float,
    seed: int,
) -> Deal:
    """As `new_deal`, given the fingerprints of these columns; sample: as for `are_copies`."""
    together = are_copies(prints, labels, sample)
    return Deal(folds=folds, fraction=fraction, seed=seed, columns=columns, together=together)


def are_copies(prints: Array, labels: Array, sample: Callable[[], RawColumns]) -> bool:
    """Whether equal rows, known by their (m,) fingerprints, are one row written again, so that who has learned from
    the one has seen the other.

    They are where most rows differ. Else they are all that few columns can say if there is hardly a combination of
    their values that does not occur, or if equal rows have different labels, which copies have not.
    sample: gives up to SAMPLE of the rows; asked for only then.
    """
    distinct = np.unique(prints)
    if len(distinct) >= LIKELY * len(prints):
        return True
    if len(distinct) >= LIKELY * _sayable(sample()):
        return False
    return _agreed(np.searchsorted(distinct, prints), labels) >= AGREED * len(prints)


def _sayable(columns: RawColumns) -> float:
    """How many different rows the values of these would make, if all went together; infinite for vectors."""
    product = 1.0
    for raw in columns.values():
        if isinstance(raw, Codes):
            product *= len(np.unique(raw.codes))
        elif raw.ndim == 1:
            product *= len(np.unique(_bits(raw)))
        else:
            return np.inf
        if product > SAMPLE**2:
            break
    return product


def _agreed(places: Array, labels: Array) -> int:
    """The rows whose label is the one that most rows in their place have."""
    order = np.lexsort((labels, places))
    pairs = np.stack([places[order], labels[order]])
    starts = np.flatnonzero(np.r_[True, (np.diff(pairs) != 0).any(axis=0)])
    counts = np.diff(np.r_[starts, len(order)])
    most = np.zeros(int(places.max(initial=0)) + 1, np.intp)
    np.maximum.at(most, pairs[0, starts], counts)
    return int(most.sum())


def fingerprints(columns: RawColumns) -> Array:
    """(m,) uint64 that depend on a row's values under their columns' names, not on the columns' order.

    Numbers count as float32, so that a value has one fingerprint in every format; −0 is 0, and all that is missing
    is equal. Raises ValueError for columns of unequal lengths, or none.
    """
    total = np.zeros(length(columns), np.uint64)
    for name, raw in columns.items():
        total += _mixed(_values(raw) + np.uint64(_number(name)))
    return _mixed(total)


def repetitions(prints: Array) -> Array:
    """(m,) uint64: how many equal ones stand before each."""
    order = np.argsort(prints, kind="stable")
    _, first, counts = np.unique(prints[order], return_index=True, return_counts=True)
    number = np.empty(len(prints), np.uint64)
    number[order] = np.arange(len(prints)) - np.repeat(first, counts)
    return number


def _dealt(drawn: Array, labels: Array, count: int) -> Array:
    fold = (drawn % np.uint64(count)).astype(np.intp)
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    fold[counts[places] == 1] = -1
    low, high = np.full(len(counts), count), np.full(len(counts), -1)
    np.minimum.at(low, places, fold)
    np.maximum.at(high, places, fold)
    for place in np.flatnonzero((low == high) & (high >= 0)):
        rows = np.flatnonzero(places == place)
        first = rows[np.argmin(drawn[rows])]
        fold[first] = (fold[first] + 1) % count
    return fold


def _with_copies(fold: Array, drawn: Array, labels: Array) -> Array:
    """The folds, 0 or −1, of rows of which equal ones were parted, with these together."""
    held = fold == 0
    _, places, counts = np.unique(drawn, return_inverse=True, return_counts=True)
    enough = np.where(counts <= FEW, 1, counts / 2)
    whole = (np.bincount(places, held) >= enough)[places]
    both = np.isin(labels, labels[whole]) & np.isin(labels, labels[~whole])
    return np.where(np.where(both, whole, held), 0, -1)


def _values(raw: RawColumn) -> Array:
    """(m,) uint64, equal for equal values; of a vector, a sum of its elements, each times a number of its own
    (multilinear hashing, Carter & Wegman 1979)."""
    if isinstance(raw, Codes):
        words: Array = np.array([*map(_number, raw.vocabulary), _MISSING], np.uint64)
        return words[raw.codes]
    if raw.ndim == 1:
        return _bits(raw)
    factors = _mixed(np.arange(1, raw.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    total, step = np.empty(len(raw), np.uint64), max(1, CHUNK // max(1, raw.shape[1]))
    for start in range(0, len(raw), step):
        total[start : start + step] = _bits(raw[start : start + step]) @ factors
    return total


def _bits(numbers: Array) -> Array:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single = numbers.astype(np.float32) + np.float32(0)
    bits = single.view(np.uint32).astype(np.uint64)
    bits[np.isnan(single)] = _MISSING
    return bits


def _number(word: str) -> int:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _drawn(prints: Array, seed: int) -> Array:
    return _mixed(prints + np.random.SeedSequence(seed).generate_state(1, np.uint64))


def _mixed(bits: Array) -> Array:
    """Every bit spread over all 64 (the last step of splitmix64, Steele et al. 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = bits ^ (bits >> np.uint64(31))
    return mixed
