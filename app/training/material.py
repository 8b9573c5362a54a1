"""From a dataset to what networks train on: folds, the encoding, and the matrix of all rows."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from app.datasets.store import OpenDataset
from app.errors import Invalid, Problem
from app.jobs import plan
from app.jobs.plan import VALIDATION_FRACTION, Label, Shape, name_of
from core import encoding
from core.arrays import Array
from core.class_weights import class_weights
from core.columns import take
from core.committee import Held
from core.dealing import SAMPLE, Deal, deal_of, fingerprints
from core.encoding import Codes, Encoding, NumericColumn, RawColumns
from core.knots import with_knots, with_knots_of
from core.state import RowSource
from core.training import Examples
from core.warm_start import renamed


class Table(Protocol):
    """A dataset's rows as they came."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and numbers or codes in each."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        ...

    def take(self, rows: Array) -> RawColumns:
        """The rows of these numbers, in ascending order."""
        ...

    def prints(self, names: Mapping[str, str]) -> Array:
        """(m,) every row's fingerprint by these columns, each under the name beside its own.

        Raises: KeyError, if one is not there.
        """
        ...

    def encoded(self, fitted: Encoding, fold: Array, /) -> Array | RowSource:
        """What the network sees of them; fold: as in `Held`."""
        ...


@dataclass(frozen=True, kw_only=True)
class InMemory:
    """All columns of all rows."""

    columns: RawColumns

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and numbers or codes in each."""
        cells = [raw.codes if isinstance(raw, Codes) else raw for raw in self.columns.values()]
        return len(cells[0]), sum(each.size // max(len(each), 1) for each in cells)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(self.columns)

    def take(self, rows: Array) -> RawColumns:
        """The rows of these numbers, in the order given."""
        return take(self.columns, rows)

    def prints(self, names: Mapping[str, str]) -> Array:
        """(m,) every row's fingerprint by these columns, each under the name beside its own."""
        return fingerprints({called: self.columns[name] for name, called in names.items()})

    def encoded(self, fitted: Encoding, _fold: Array, /) -> Array:
        """(m, width) float32."""
        return encoding.transform(fitted, self.columns)


@dataclass(frozen=True, kw_only=True)
class Material:
    """Rows to learn from and rows to be judged by, with the encoding that the first gave.

    given: the hyperparameters that were said, and `folds` and `bins`, which were chosen if they were not.
    table: rows as they came. deal: by which they were dealt. class_weights: (classes,) of the rows' weights, or None.
    """

    given: Mapping[str, Any]
    table: Table
    classes: tuple[Label, ...]
    encoding: Encoding
    deal: Deal
    held: Held
    class_weights: Array | None

    @property
    def shape(self) -> Shape:
        """The size of the data, for the defaults."""
        return Shape(
            rows=len(self.held.fold),
            features=self.encoding.width,
            classes=len(self.classes),
            numbers=sum(isinstance(column, NumericColumn) for column in self.encoding.columns),
        )

    def cut(self, bins: int, before: Encoding | None = None) -> "Material":
        """The same rows, columns of numbers cut into up to so many bins; at the knots of `before`, where it has the
        column and knots in it."""
        given = {**self.given, "bins": bins}
        if not bins:
            return replace(self, given=given)
        fold, examples = self.held.fold, self.held.examples
        learned = np.arange(len(fold)) if self.out_of_fold else np.flatnonzero(fold < 0)
        sample = self.table.take(learned[_evenly(len(learned), SAMPLE)])
        fitted = with_knots(self.encoding, sample, bins)
        if before is not None:
            fitted = with_knots_of(before, fitted)
        examples = examples._replace(x=self.table.encoded(fitted, fold))
        return replace(self, given=given, encoding=fitted, held=self.held._replace(examples=examples))

    @property
    def ends(self) -> tuple[int, int]:
        """Features and classes of a network for these rows."""
        return self.encoding.width, len(self.classes)

    @property
    def out_of_fold(self) -> bool:
        """Whether every row is both learned from and judged by, in turns."""
        return self.held.members > 1

    @property
    def learned(self) -> int:
        """Rows that some member learns from."""
        rows = len(self.held.fold)
        return rows if self.out_of_fold else rows - len(self.held.rows)


@dataclass(frozen=True, kw_only=True)
class Before:
    """Of the version to go on from: its columns, and the rule by which its rows were dealt, if that is known."""

    encoding: Encoding
    deal: Deal | None

    def deal_among(self, names: Collection[str], fitted: Callable[[], Encoding]) -> Deal | None:
        """The same rule for columns of these names, some of which may be ours under other ones.

        fitted: gives their encoding; asked only where columns are gone.
        """
        if self.deal is None or set(self.deal.columns) <= set(names):
            return self.deal
        return self.deal.renamed(renamed(self.encoding, fitted()))


class Dealt(NamedTuple):
    """A rule, and the fold (m,) of each row by it: as in `Held`."""

    deal: Deal
    fold: Array


def prepare(
    opened: OpenDataset, given: Mapping[str, Any], *, max_categories: int, before: Before | None = None
) -> Material:
    """Deal the rows to folds, fit the encoding on those that are learned from, and encode all of them; the same
    for the same arguments.

    before: rows keep the folds that they had there, where its columns are still there, if under other names.
    In a committee every row is learned from, and no statistic of the encoding looks at a label.
    Raises: Invalid, if no row can be held back for validation.
    """
    columns, labels = opened.columns(), opened.labels
    classes = tuple(each.label for each in opened.dataset.classes)
    options = {"booleans": opened.booleans, "max_categories": max_categories}
    fitted = encoding.fit(columns, **options)  # type: ignore[arg-type]
    shape = Shape(rows=len(labels), features=fitted.width, classes=len(classes))
    given = {**given, "folds": plan.folds(given, shape)}
    table = InMemory(columns=columns)
    known = None if before is None else before.deal_among(table.names, lambda: fitted)
    by = dealt(table, labels, given, known)
    if by.deal.folds == 1:
        fitted = encoding.fit(take(columns, np.flatnonzero(by.fold < 0)), **options)  # type: ignore[arg-type]
    return weighted(table, labels, by, given=given, classes=classes, encoding=fitted)


def weighted(
    table: Table,
    labels: Array,
    by: Dealt,
    *,
    given: Mapping[str, Any],
    classes: tuple[Label, ...],
    encoding: Encoding,
) -> Material:
    """The material that these rows are, encoded, with the weights of their classes."""
    deal, fold = by
    by_class = _weights_by_class(labels if deal.folds > 1 else labels[fold < 0], classes, given)
    weights = None if by_class is None else by_class[labels]
    return Material(
        given=given,
        table=table,
        classes=classes,
        encoding=encoding,
        deal=deal,
        held=Held(Examples(table.encoded(encoding, fold), labels, weights), fold, deal.folds),
        class_weights=by_class,
    )


def class_rule(weight: str | Mapping[str, float] | None, classes: tuple[Label, ...]) -> Any:
    """`class_weight` as `core` takes it: None, "balanced", or a weight for each class (1 where none is said)."""
    if weight is None or isinstance(weight, str):
        return weight
    return np.array([weight.get(name_of(label), 1.0) for label in classes])


def dealt(
    table: Table, labels: Array, given: Mapping[str, Any], known: Deal | None, *, most: float = 1.0
) -> Dealt:
    """As many folds as asked for, by the known rule as far as it goes, or by a new one; and the fold of each row.

    most: the largest fraction of rows that may be held out. Raises: Invalid, if no row can be.
    """
    folds, fraction = given["folds"], min(given.get("validation_fraction", VALIDATION_FRACTION), most)
    if known is not None and set(known.columns) <= set(table.names):
        deal = replace(known, folds=folds, fraction=fraction)
        fold = deal.fold_of(table.prints(deal.names), labels)
    else:
        prints = table.prints(dict(zip(table.names, table.names, strict=True)))
        deal = deal_of(
            prints,
            labels,
            table.names,
            sample=lambda: table.take(_evenly(len(labels), SAMPLE)),
            folds=folds,
            fraction=fraction,
            seed=given.get("seed", 0),
        )
        fold = deal.fold_of(prints, labels)
    if fold.max() < 0:
        raise Invalid(Problem(message="no class has two rows, so none can be held back for validation"))
    return Dealt(deal, fold)


def _evenly(rows: int, most: int) -> Array:
    """The numbers of `most` rows, or of all if there are fewer, spread over all of them."""
    return np.linspace(0, rows, min(rows, most), endpoint=False).astype(np.intp)


def _weights_by_class(labels: Array, classes: tuple[Label, ...], given: Mapping[str, Any]) -> Array | None:
    """The weight of a row of each class, of mean 1 over these rows; 1 for a class that has none of them."""
    weights = class_weights(labels, len(classes), class_rule(given.get("class_weight"), classes))
    if weights is None:
        return None
    by_class = np.ones(len(classes))
    by_class[labels] = weights
    return by_class
