"""Going on from another network's weights when columns, their scaling or the classes have changed."""

from collections.abc import Sequence, Set

import numpy as np

from core.arrays import Array
from core.columns import CategoricalColumn, Column, Encoding, NumericColumn, VectorColumn
from core.network import Dense, Params

ALIKE = 2.0  # factor between the spreads of a renamed column's numbers, at most; its means differ by a spread at most


def carry_over(
    parameters: Params, old: Encoding, new: Encoding, *, fresh: Params, places: Sequence[int | None]
) -> Params:
    """The old network's function, written in the new encoding and classes.

    A feature that both encodings have (see `renamed`) keeps its weights, rescaled so that the same raw value has the
    same effect; a new one begins at 0, and so changes nothing yet. A category that is new, as of now, begins with the
    weight that it had among the rare ones. For each new class, places tells the old one it was, or None for one that
    begins with the weights of `fresh`.
    What the new encoding no longer tells apart has no weight of its own: a column or a category that is gone, and
    missing values where there was an indicator and is none. Nor has a missing value without one, if the mean has
    moved: it counts as the new mean, in a vector too.
    parameters: for the old encoding and classes; fresh: as initialised for the new ones. A weight too large for the
    dtype of these becomes infinite: the same raw value may be very many of the new spreads.
    Raises ValueError if the hidden layers have other sizes.
    """
    hidden = [layer.weight.shape[1] for layer in parameters[:-1]]
    if hidden != [layer.weight.shape[1] for layer in fresh[:-1]]:
        raise ValueError(f"the hidden layers have other sizes than {hidden}")
    dtype = fresh[0].weight.dtype
    layers = [Dense(np.array(layer.weight, float), np.array(layer.bias, float)) for layer in parameters]
    layers[0] = _reencoded(layers[0], old, new)
    layers[-1] = _reclassed(layers[-1], fresh[-1], places)
    with np.errstate(over="ignore", under="ignore"):
        return tuple(Dense(layer.weight.astype(dtype), layer.bias.astype(dtype)) for layer in layers)


def renamed(old: Encoding, new: Encoding) -> dict[str, str]:
    """Columns of the new encoding that are old ones under another name: by their new name, the old.

    Those that stand between the same neighbours, as many as before, each with much the same values as the one whose
    place it has: numbers of about that mean and spread, or categories of which at least half were known.
    """
    kept = {column.name for column in old.columns} & {column.name for column in new.columns}
    before, after = _between(old, kept), _between(new, kept)
    return {
        now.name: was.name
        for neighbours, columns in after.items()
        if len(columns) == len(there := before.get(neighbours, ()))
        for was, now in zip(there, columns, strict=True)
        if _alike(was, now)
    }


def _between(encoding: Encoding, kept: Set[str]) -> dict[tuple[str | None, str | None], list[Column]]:
    """The columns that stand between those to be kept, by the names of the two on either side."""
    found: dict[tuple[str | None, str | None], list[Column]] = {}
    left: str | None = None
    here: list[Column] = []
    for column in (*encoding.columns, None):
        if column is not None and column.name not in kept:
            here.append(column)
            continue
        right = None if column is None else column.name
        found[left, right], left, here = here, right, []
    return found


def _alike(old: Column, new: Column) -> bool:
    if isinstance(old, CategoricalColumn) and isinstance(new, CategoricalColumn):
        known = len(set(new.categories) & set(old.categories))
        return old.boolean == new.boolean and 2 * known >= max(len(new.categories), len(old.categories))
    if type(old) is not type(new) or isinstance(old, CategoricalColumn) or isinstance(new, CategoricalColumn):
        return False
    if np.shape(old.mean) != np.shape(new.mean):
        return False
    wider, narrower = np.maximum(old.scale, new.scale), np.minimum(old.scale, new.scale)
    near = (wider <= ALIKE * narrower) & (np.abs(np.subtract(new.mean, old.mean)) <= wider)
    return bool(np.mean(near) >= 0.5)  # of a vector's elements


def sources(old: Encoding, new: Encoding) -> dict[str, Column]:
    """For each column of the new encoding that the old one has too, if under another name, what it was there."""
    names, known = renamed(old, new), {column.name: column for column in old.columns}
    was = {column.name: names.get(column.name, column.name) for column in new.columns}
    return {name: known[before] for name, before in was.items() if before in known}


def _reencoded(layer: Dense, old: Encoding, new: Encoding) -> Dense:
    """With x = (raw − mean)/scale on both sides: W' = W·scale'/scale and b' = b + Σ W (mean' − mean)/scale."""
    places = {column.name: part for column, part in zip(old.columns, old.slices, strict=True)}
    known, gone = sources(old, new), old.origin.copy()
    weight = np.zeros((new.width, layer.weight.shape[1]))
    bias = layer.bias.copy()
    for column, part in zip(new.columns, new.slices, strict=True):
        if column.name not in known:
            continue
        source = known[column.name]
        stretch, shift, origin = _feature_map(source, column)
        here, there = origin >= 0, origin[origin >= 0]
        place = places[source.name]
        rows = layer.weight[place][there]
        weight[part][here] = rows * stretch[here, None]
        bias += (rows * shift[here, None]).sum(axis=0)
        gone[place][there] = 0
        if isinstance(column, NumericColumn) and column.indicator and here[0]:
            weight[part.start + 1] -= _moved(source, column, shift)[here] @ rows
    return Dense(weight, bias + gone @ layer.weight)


def _feature_map(old: Column, new: Column) -> tuple[Array, Array, Array]:
    """For each feature of the new column: scale'/scale, (mean' − mean)/scale, and its old feature (−1: none)."""
    stretch, shift, origin = np.ones(new.width), np.zeros(new.width), np.full(new.width, -1)
    if isinstance(old, NumericColumn) and isinstance(new, NumericColumn):
        stretch[0], shift[0], origin[0] = new.scale / old.scale, (new.mean - old.mean) / old.scale, 0
        if old.indicator and new.indicator:
            origin[1] = 1
        if _cut_alike(old, new):
            origin[1 + new.indicator :] = np.arange(1 + old.indicator, old.width)
    elif isinstance(old, CategoricalColumn) and isinstance(new, CategoricalColumn):
        places = {name: place for place, name in enumerate(old.categories)}
        origin[:-1] = [places.get(name, len(places)) for name in new.categories]
        origin[-1] = len(old.categories)
    elif isinstance(old, VectorColumn) and isinstance(new, VectorColumn) and old.width == new.width:
        stretch, shift, origin = (
            new.scale / old.scale,
            (new.mean - old.mean) / old.scale,
            np.arange(new.width),
        )
    return stretch, shift, origin


def _cut_alike(old: NumericColumn, new: NumericColumn) -> bool:
    """Whether both have knots at the same values, to rounding."""
    if not old.knots or old.bins != new.bins:
        return False
    knots = np.array(new.knots)
    return bool((np.abs(old.moved(new, np.array(old.knots)) - knots) <= 1e-6 * np.diff(knots).min()).all())


def _moved(old: Column, new: NumericColumn, shift: Array) -> Array:
    """By how much the new mean is not the old one, in each feature: a missing value is 0, and means the old."""
    moved = shift.copy()
    if isinstance(old, NumericColumn) and _cut_alike(old, new):
        moved[1 + new.indicator :] = new.passed(0.0) - old.passed(0.0)
    return moved


def _reclassed(layer: Dense, fresh: Dense, places: Sequence[int | None]) -> Dense:
    weight = np.zeros((layer.weight.shape[0], len(places)))
    bias = np.zeros(len(places))
    for place, source in enumerate(places):
        if source is not None:
            weight[:, place], bias[place] = layer.weight[:, source], layer.bias[source]
        elif fresh.weight.shape[0] == len(weight):
            weight[:, place], bias[place] = fresh.weight[:, place], fresh.bias[place]
    return Dense(weight, bias)
