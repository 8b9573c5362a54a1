"""What another version has learned from, and how it is judged on rows that it has not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.repository.model import Model, class_places
from app.repository.repository import Repository
from app.training.material import Before, Material
from core import encoding, merging
from core.arrays import Array
from core.columns import RawColumns
from core.committee import held_out_logits
from core.dealing import Deal
from core.losses import log_softmax, softmax_loss
from core.merging import tempered
from core.network import Params, logits
from core.warm_start import carry_over, renamed


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The members of the committee that a version is, or the one network; all calibrated alike.

    deal: by which rows were held out from each, in its fold; None where that is not known.
    """

    members: tuple[Params, ...]
    deal: Deal | None


def parts_of(model: Model, repository: Repository) -> Parts:
    """The members as far as the version still holds them, else the whole. Raises: ModelBroken."""
    whole = Parts(members=(model.parameters,), deal=None)
    try:
        deal = Deal.from_dict(model.card["committee"]["deal"])
        if deal.folds > 1 and len(model.parameters) == 1:
            members = repository.members(model, deal.folds)
        else:
            members = merging.split(model.parameters, deal.folds)
    except (KeyError, TypeError, ValueError):
        return whole
    return whole if members is None else Parts(members=members, deal=deal)


@dataclass(frozen=True, kw_only=True)
class Forerunner:
    """A version to go on from."""

    model: Model
    parts: Parts

    @property
    def before(self) -> Before:
        """What a new deal of the rows is to keep to."""
        return Before(encoding=self.model.encoding, deal=self.parts.deal)

    def carried(self, material: Material, fresh: Sequence[Params]) -> list[Params]:
        """Where each member of a new committee begins: at the probabilities that the one of its fold gave, or for
        softmax regression the whole, in the job's encoding and classes.

        fresh: each member, as initialised. Raises: ValueError, if the layers or members are others.
        """
        members, places = self.parts.members, class_places(self.model.classes, material.classes)
        if len(self.model.parameters) == 1 and len(members) != len(fresh):
            members = (self.model.parameters,) * len(fresh)
        return [
            carry_over(
                tempered(member, self.model.temperature),
                self.model.encoding,
                material.encoding,
                fresh=begun,
                places=places,
            )
            for member, begun in zip(members, fresh, strict=True)
        ]

    def helps(self, members: Sequence[Params], material: Material) -> bool:
        """Whether members that were carried over lose no more than a guess does, on held-out rows of classes that the
        version has; where there are none, no more than twice that on all, for their last layers then are by chance.

        Where a column comes in another unit, its numbers are so far from all that was seen that no descent leads
        back.
        """
        held, places = material.held, class_places(self.model.classes, material.classes)
        known, most = np.array([place is not None for place in places])[held.labels], math.log(len(places))
        if not known.any():
            known, most = ~known, 2 * most
        with np.errstate(all="ignore"):
            z = held_out_logits(members, held)[known].astype(np.float64)
        return bool(softmax_loss(z, held.labels[known]).mean() <= most)

    def has_seen(self, material: Material) -> bool:
        """Whether a job that goes on from here member by member is judged by rows that they have learned from."""
        return self.parts.deal is None or not material.deal.keeps(self.parts.deal)

    def shares_columns(self, material: Material) -> bool:
        """Whether any of the job's columns has the name of one of the version's."""
        before, after = (
            {each.name for each in of.columns} for of in (self.model.encoding, material.encoding)
        )
        return not before.isdisjoint(after)

    def renamed(self, material: Material) -> dict[str, str]:
        """The job's columns that are taken for some of the version's, by their names there."""
        return renamed(self.model.encoding, material.encoding)


@dataclass(frozen=True, kw_only=True, eq=False)
class Unseen:
    """What a version loses on rows of another job. rows: their places among that job's held-out rows; losses: of
    each, or where the version lacks the class that of a guess among the job's classes; unseen: whether none of them
    was learned from; unknown: how many are of a class that it lacks."""

    rows: Array
    losses: Array
    unseen: bool
    unknown: int


def losses_of(model: Model, repository: Repository, material: Material) -> Unseen:
    """Judge a version on a job's held-out rows: each by a member that has not learned from it.

    Rows that all of the version learned from are left out, unless there are no others, or it is not known.
    Raises: ValueError or KeyError, if the rows lack columns that the version needs; ModelBroken.
    """
    held, judges = material.held.rows, _judges(model, repository, material)
    columns = _class_columns(model, material)
    losses = np.full(len(held), math.log(len(material.classes)))
    for number, parameters in enumerate(judges.members):
        here = np.flatnonzero((judges.of == number) & (columns >= 0))
        losses[here] = _losses(model, parameters, material.table.take(held[here]), columns[here])
    rows = np.flatnonzero(judges.of >= 0)
    return Unseen(
        rows=rows,
        losses=losses[rows],
        unseen=judges.unseen,
        unknown=int((columns[rows] < 0).sum()),
    )


class _Judges(NamedTuple):
    """Who judges: of each held-out row the number of the member, −1 for none; unseen: as in `Unseen`."""

    members: tuple[Params, ...]
    of: Array
    unseen: bool


def _judges(model: Model, repository: Repository, material: Material) -> _Judges:
    """Members that have not learned from the row; the whole of the version, if none is known to be such."""
    parts, held = parts_of(model, repository), material.held
    deal = Before(encoding=model.encoding, deal=parts.deal).deal_among(
        material.table.names, lambda: material.encoding
    )
    if deal is not None:
        fold = deal.fold_of(material.table.prints(deal.names), held.examples.labels)[held.rows]
        if (fold >= 0).any():
            return _Judges(parts.members, fold, deal.clean)
    return _Judges((model.parameters,), np.zeros(len(held.rows), int), unseen=False)


def _class_columns(model: Model, material: Material) -> Array:
    """For each held-out row the number that its class has in the version, −1 where it lacks the class."""
    places = class_places(model.classes, material.classes)
    return np.array([-1 if place is None else place for place in places])[material.held.labels]


def _losses(model: Model, parameters: Params, rows: RawColumns, classes: Array) -> Array:
    x = encoding.transform(model.encoding, rows)
    logs = log_softmax(logits(parameters, x).astype(np.float64) / model.temperature)
    losses: Array = -logs[np.arange(len(classes)), classes]
    return losses
